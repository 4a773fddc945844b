"""A run that is killed again and again ends as the run that never was, to the bit."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.command import wait_until
from tests.faults import plan
from tests.faults.pooled_runs import (
    CONFIGURATIONS,
    EPOCHS,
    SAVED_EVERY,
    STEPS,
    PooledRun,
    assert_same_to_the_bit,
    replay_told,
)
from tests.faults.worker_pool import Death, PooledWorker, WorkerPool, send_kill
from tests.train.runs import live_steps, read_log
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_folder import RunFolder

pytestmark = pytest.mark.slow

# About how many of them a whole session makes.
_CALLS = {
    "step": STEPS,
    "file of a checkpoint": 6 * STEPS // SAVED_EVERY,
    "judgement": EPOCHS,
    "checkpoint published": STEPS // SAVED_EVERY,
    "test": 1,
    "result": 1,
}
_KILLS_OF_A_RUN = 6
_START_S = 0.1


@dataclass(frozen=True)
class Kill:
    """A SIGKILL after a share of what a session has to do: of its time, or of its calls."""

    call: str
    share: float
    with_group: bool

    def death(self, steps_left: int) -> Death | None:
        """The call to die after; None where the time decides."""
        if not self.call:
            return None
        calls_left = _CALLS[self.call] * steps_left / STEPS
        return Death(self.call, 1 + int(self.share * calls_left), self.with_group)


def draw_kills(choices: random.Random) -> dict[str, list[Kill]]:
    """The kills of each configuration: every third aims at a call, every second at a group."""
    aims = itertools.cycle(choices.sample(sorted(_CALLS), len(_CALLS)))
    count = len(CONFIGURATIONS)
    kills = [
        Kill("" if number % 3 else next(aims), choices.random(), number // count % 2 == 0)
        for number in range(plan.KILLS)
    ]
    return {name: kills[number::count] for number, name in enumerate(CONFIGURATIONS)}


_KILLS = draw_kills(plan.choices_of("kills"))


class KilledRun:
    """A run that goes on after every kill, and what must hold after each."""

    def __init__(self, run: PooledRun, life_s: float, story: list[str]) -> None:
        self.folder = run.folder
        self._run = run
        self._life_s = life_s
        self._story = story
        self._orphaned: PooledWorker | None = None
        self._log = b""

    def train_and_kill(self, kills: list[Kill]) -> None:
        """Train to the end through some of `kills`; those that were sent are taken away."""
        for _ in range(_KILLS_OF_A_RUN):
            if not kills or self._is_over:
                break
            if self.train(kills[0]):
                del kills[0]
            else:
                # The session did less than was thought: aim earlier in the next run.
                kills[0] = replace(kills[0], share=kills[0].share / 2)
        if not self._is_over:
            self.train()

    @property
    def _is_over(self) -> bool:
        return any(isinstance(event, events.Finished) for event in read_log(self.folder))

    def train(self, kill: Kill | None = None) -> bool:
        """A session, killed as planned unless it ends before; whether it was killed."""
        saved, sessions = self._run.saved, len(self._sessions)
        unfinished = set(self.folder.checkpoints.glob(".tmp-*"))
        self._story.append(f"from step {saved}: {kill or 'to the end'}")
        worker = self._run.start(kill.death(STEPS - saved) if kill is not None else None)
        if kill is not None and not kill.call:
            self._kill_in_time(worker, kill, saved)
        status = worker.wait()
        assert status == 0 or (kill is not None and status == -signal.SIGKILL)
        self._reread_log()
        for session in self._sessions[sessions:]:
            assert isinstance(session, events.RunStarted) or session.from_step == saved
            assert not unfinished & set(self.folder.checkpoints.glob(".tmp-*"))
        self._check_state()
        self._check_checkpoints()
        self._check_processes(worker, kill)
        return status != 0

    def _kill_in_time(self, worker: PooledWorker, kill: Kill, saved: int) -> None:
        try:
            worker.wait(_START_S + kill.share * self._life_s * (1 - saved / STEPS))
        except TimeoutError:
            self._reread_log()
            # It may end in this moment.
            with contextlib.suppress(ProcessLookupError):
                send_kill(worker.pid, with_group=kill.with_group)

    @property
    def _sessions(self) -> list[events.RunStarted | events.Resumed]:
        log = read_log(self.folder)
        return [event for event in log if isinstance(event, events.RunStarted | events.Resumed)]

    def _reread_log(self) -> None:
        """The whole lines of the log begin with all that were seen before."""
        content = self.folder.events.read_bytes() if self.folder.events.exists() else b""
        lines = content[: content.rfind(b"\n") + 1]
        assert lines.startswith(self._log), "the log lost events"
        self._log = lines
        read = EventLogReader(self.folder.events).read()
        assert (read.damaged, read.missing) == (0, 0)

    def _check_state(self) -> None:
        unfinished = "interrupted" if self._sessions else "failed"
        assert self._run.state == ("finished" if self._is_over else unfinished)

    def _check_checkpoints(self) -> None:
        """What is published is whole, what was acknowledged is published, and little is lost."""
        for step in list_steps(self.folder.checkpoints):
            assert read_checkpoint(self.folder.checkpoints / folder_name(step)).state.step == step
        log = read_log(self.folder)
        told = [event.step for event in log if isinstance(event, events.CheckpointSaved)]
        assert max(told, default=0) <= self._run.saved
        if self._run.config.checkpoints.every_steps:
            # One interval, and that of a checkpoint which was still being written.
            assert max(live_steps(self.folder), default=0) - self._run.saved <= 2 * SAVED_EVERY

    def _check_processes(self, worker: PooledWorker, kill: Kill | None) -> None:
        """Nothing lives of a killed group, nor of the session before."""
        for ended in filter(None, (self._orphaned, worker)):
            if ended is worker and kill is not None and not kill.with_group:
                # The next session has to wait for its loaders.
                self._orphaned = worker
                return
            wait_until(lambda ended=ended: not ended.processes, "the session's end", timeout_s=10)
        self._orphaned = None


@pytest.mark.parametrize("configuration", ["two loaders", "no loader"])
def test_how_batches_are_made_changes_nothing(
    undisturbed: Callable[[str], RunFolder], configuration: str
) -> None:
    assert_same_to_the_bit(undisturbed(configuration), undisturbed("resident"))


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_run_that_is_killed_again_and_again_is_the_run_that_never_was(
    pool: WorkerPool,
    stripes_data: Path,
    tmp_path: Path,
    undisturbed: Callable[[str], RunFolder],
    configuration: str,
) -> None:
    expected = undisturbed(configuration)
    log = read_log(expected)
    life_s = log[-1].t - log[0].t
    kills = list(_KILLS[configuration])
    while kills:
        story: list[str] = []
        with replay_told(configuration, story):
            run = PooledRun.of(pool, stripes_data, tmp_path, CONFIGURATIONS[configuration])
            KilledRun(run, life_s, story).train_and_kill(kills)
            assert_same_to_the_bit(run.folder, expected)
