"""Sequences of what can happen to runs; after each happening the state shown is the true one.

Usage: python -m tests.faults.states

It forks often, so it is a process of its own, into which nobody imports torch.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests import builders
from tests.command import wait_until
from tests.faults import damages, plan
from tests.faults.scene import Scene
from tests.faults.stage import elsewhere
from tests.faults.stand_in import Script
from tests.faults.truth import Truth
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.errors import RunStateError
from tui_trainer.store import index
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.control import submit
from tui_trainer.store.run_folder import RunFolder

_MOST_LIVE = 3
_NUM_STEPS = 8
_CONFIG = encode_config(RunConfig())
_REQUESTS: list[Any] = ["pause", "pause", "continue", "stop", "checkpoint", "set", "evaluate"]
_QUIET = [signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT]

Happening = Callable[["RunStates", Truth, random.Random], None]
_happenings: list[tuple[Happening, str, int]] = []


def to(which: str, weight: int = 2) -> Callable[[Happening], Happening]:
    """What follows happens to one of the runs of a sort, a property of `Scene`."""

    def add(happening: Happening) -> Happening:
        _happenings.append((happening, which, weight))
        return happening

    return add


def _calm_script(noise: random.Random) -> Script:
    return noise.choice([Script(), Script(), Script(waits=True), Script(has_child=True)])


def _script(noise: random.Random) -> Script:
    if noise.random() < 0.6:
        return _calm_script(noise)
    if noise.random() < 0.3:
        return Script(fails_early=True)
    most = noise.choice([200, 600, 3000])
    return Script(finishes=noise.random() < 0.5, dies_at_call=noise.randint(1, most))


class RunStates(RuleBasedStateMachine):
    """One rule, so that everything happens about as often as its weight says."""

    bystander = 0

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.noise = random.Random()
        self.story: list[str] = []
        self.numbers: set[str] = set()

    def teardown(self) -> None:
        self.scene.clear()

    @initialize(seed=st.integers(0, (1 << 64) - 1))
    def begin(self, seed: int) -> None:
        # All else follows from it: Hypothesis would rather repeat some steps than try others.
        self.noise = random.Random(seed)
        self._tell("create")
        self.create(_calm_script(self.noise))
        self.scene.check()

    @rule()
    def happen(self) -> None:
        noise = self.noise
        found = [(*each, getattr(self.scene, each[1])) for each in _happenings]
        possible = [each for each in found if each[-1]]
        weights = [weight for _, _, weight, _ in possible]
        happening, _, _, runs = noise.choices(possible, weights)[0]
        run = noise.choice(runs)
        self._tell(f"{happening.__name__} {run.folder.path.parent.name}/{run.folder.run}")
        try:
            happening(self, run, noise)
            self.scene.check()
        except AssertionError as error:
            error.add_note("\n".join(self.story))
            raise

    def _tell(self, what: str) -> None:
        self.story.append(what)

    def create(self, script: Script) -> None:
        folder = self.scene.registries[0].create(builders.environment(), _CONFIG)
        assert folder.run not in self.numbers, "a number was given twice"
        self.numbers.add(folder.run)
        run = Truth(folder)
        self.scene.runs.append(run)
        self.scene.start(run, script, resume=False)

    # What people do.

    @to("runs", weight=3)
    def create_another(self, _: Truth, noise: random.Random) -> None:
        if len(self.scene.live) < _MOST_LIVE:
            self.create(_script(noise))

    @to("dead", weight=5)
    def resume(self, run: Truth, noise: random.Random) -> None:
        if len(self.scene.live) < _MOST_LIVE:
            self.scene.start(run, _script(noise), resume=True)

    @to("live", weight=1)
    def resume_live(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        second = self.scene.stage.prepare(run.folder, Script(), resume=True)
        with pytest.raises(RunStateError, match=f"trained by process {run.worker.pid}\\."):
            second.start()
        assert second.intrude() == 2
        assert second.told == []

    @to("waiting", weight=4)
    def let_begin(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        run.worker.order("begin")
        self.scene.await_begin(run)

    @to("live", weight=5)
    def ask(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        is_paused = run.is_paused
        for _ in range(noise.choice([1, 1, 3])):
            request = noise.choice(_REQUESTS)
            self._tell(f"  {request}")
            arguments: dict[str, float | str] = {"lr": 0.5} if request == "set" else {}
            asked = submit(run.folder.path, run.worker.session, request, arguments)
            run.asked.append(asked)
        self.scene.await_answers(run, is_paused=is_paused)

    @to("repeated", weight=1)
    def ask_earlier_session(self, run: Truth, noise: random.Random) -> None:
        is_paused = run.is_paused
        run.asked.append(submit(run.folder.path, run.sessions[0], noise.choice(_REQUESTS)))
        self.scene.await_answers(run, is_paused=is_paused)

    # What happens to processes.

    @to("stepping")
    def finish(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        run.worker.order("finish")
        self.scene.await_end(run, {"finished"})

    @to("stepping")
    def fail(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        run.worker.order("fail")
        self.scene.await_end(run, {"failed"})

    @to("steerable")
    def terminate(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        run.worker.signal(noise.choice([signal.SIGTERM, signal.SIGINT]))
        self.scene.await_end(run, {"stopped"})

    @to("live", weight=6)
    def kill(self, run: Truth, noise: random.Random) -> None:
        worker = run.worker
        assert worker is not None
        if run in self.scene.stepping:
            enough = len(run.told) + noise.randrange(4)
            wait_until(lambda: len(run.told) >= enough, "more to be logged")
        with_group = noise.random() < (0.2 if worker.script.has_child else 0.5)
        worker.kill(with_group=with_group)
        run.settle()
        if with_group:
            run.orphaned = None

    @to("live", weight=1)
    def send_what_ends_nothing(self, run: Truth, noise: random.Random) -> None:
        assert run.worker is not None
        run.worker.signal(noise.choice(_QUIET))

    # What happens to files.

    @to("logged")
    def flip_bit_of_log(self, run: Truth, noise: random.Random) -> None:
        told = noise.choice([told for told in run.told if told.stands])
        damages.flip_bit(run.folder.events, told.at + noise.randrange(told.length + 1), noise)
        run.take_damage()

    @to("dead")
    def tear_log(self, run: Truth, noise: random.Random) -> None:
        damages.tear(run.folder.events, noise)
        run.take_damage()

    @to("runs")
    def damage_summary(self, run: Truth, noise: random.Random) -> None:
        others = [run.folder.path / paths.SUMMARY for run in self.scene.runs]
        damages.damage_file(run.folder.path / paths.SUMMARY, others, noise)

    @to("runs", weight=3)
    def damage_index(self, run: Truth, noise: random.Random) -> None:
        files = [registry.path / paths.INDEX for registry in self.scene.registries]
        damages.damage_file(run.folder.path.parent / paths.INDEX, files, noise)

    @to("runs", weight=1)
    def lock_index(self, run: Truth, noise: random.Random) -> None:
        file = run.folder.path.parent / paths.INDEX
        with elsewhere(lambda: damages.lock_database(file)):
            self.scene.check()

    @to("runs", weight=3)
    def copy(self, run: Truth, noise: random.Random) -> None:
        copies = self.scene.registries[1]
        highest = max([int(folder.run.removeprefix("run")) for folder in copies.folders()] or [0])
        folder = RunFolder(copies.path / f"run{highest + 1}")
        # A worker's temporary files and requests come and go while they are copied.
        leave = shutil.ignore_patterns(".*", *([paths.CONTROL] if run.is_live else []))
        past = [told for told in run.told if told.stands]
        shutil.copytree(run.folder.path, folder.path, ignore=leave)
        copy = Truth(folder, past, set(run.damaged), sessions=list(run.sessions))
        copy.asked = [] if run.is_live else list(run.asked)
        self.scene.runs.append(copy)

    @to("dead")
    def forge_locks(self, run: Truth, noise: random.Random) -> None:
        sessions = [run.sessions[-1], *(live.sessions[-1] for live in self.scene.live), "", "ü"]
        for name in (paths.WORKER_LEASE, paths.LAUNCH_LOCK, paths.TREE_LOCK):
            note = noise.choice([*sessions, str(self.bystander), None])
            if run.orphaned is None:
                (run.folder.path / name).unlink(missing_ok=True)
            if note is not None:
                (run.folder.path / name).write_text(note)

    @to("newest")
    def remove(self, run: Truth, noise: random.Random) -> None:
        shutil.rmtree(run.folder.path)
        self.scene.runs.remove(run)


def main() -> None:
    """Go through the sequences of this size and seed."""
    index._BUSY_S = 0.01
    # A process that has nothing to do with any run; it must not be ended.
    with elsewhere(lambda: None) as RunStates.bystander:
        run_state_machine_as_test(
            hypothesis.seed(plan.SEED)(RunStates),
            settings=settings(
                max_examples=plan.SEQUENCES,
                stateful_step_count=_NUM_STEPS,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                deadline=None,
                database=None,
            ),
        )


if __name__ == "__main__":
    main()
