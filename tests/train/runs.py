"""Real runs, trained in this process, and what their logs tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.tasks import configure, prepare_stripes
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.exactness import Exactness
from tui_trainer.core.jobs import TrainJob
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker import session

AtStep = Callable[[int], None]

WATCHERS: list[AtStep] = []
"""What is called with the number of each step of the run that is being trained."""


class Runs:
    """Makes runs of stripes and trains them in this process."""

    def __init__(self, tmp_path: Path) -> None:
        self.data_dir = tmp_path / "data"
        self.registry = Registry(tmp_path / "runs")
        prepare_stripes(self.data_dir)

    def create(self, **settings: Any) -> tuple[RunFolder, RunConfig]:
        """A run that has not begun."""
        config = configure(hardware__device="cpu", hardware__threads=1, **settings)
        environment = capture_environment(["test"], with_code=False)
        return self.registry.create(environment, encode_config(config)), config

    def train(
        self,
        folder: RunFolder,
        config: RunConfig,
        *,
        resume: bool = False,
        accept: Exactness = Exactness.EXACT,
        stop_at: int | None = None,
        at_step: AtStep | None = None,
    ) -> None:
        """A session of a run, stopped after the step `stop_at` if one is given."""
        interrupts = Interrupts()

        def watch(step: int) -> None:
            if at_step is not None:
                at_step(step)
            if step == stop_at:
                interrupts.stop_signal = 2

        WATCHERS.append(watch)
        try:
            job = TrainJob(
                run_path=str(folder.path),
                data_dir=str(self.data_dir),
                config=config,
                session=f"session-{len(list(folder.path.glob('**/*')))}",
                resume=resume,
                accept=accept,
                trust_code=True,
            )
            session.run_session(job, interrupts)
        finally:
            WATCHERS.pop()

    def finish(self, **settings: Any) -> RunFolder:
        """A run trained to its end."""
        folder, config = self.create(**settings)
        self.train(folder, config)
        return folder


def read_log(folder: RunFolder) -> list[events.Event]:
    """All events of a run."""
    return EventLogReader(folder.events).read().events


def live_steps(folder: RunFolder) -> dict[int, tuple[Any, ...]]:
    """Per step of the live branch: loss, learning rate, gradient norm, accuracy if any."""
    live: dict[int, tuple[Any, ...]] = {}
    for event in read_log(folder):
        if isinstance(event, events.Resumed):
            live = {s: row for s, row in live.items() if s <= event.from_step}
        if isinstance(event, events.Steps):
            columns = (event.loss, event.lr, event.grad_norm, event.accuracy)
            rows = zip(*filter(None, columns), strict=True)
            live |= {event.first + n: row for n, row in enumerate(rows)}
    return live


def evaluations(folder: RunFolder, split: str) -> dict[int, Any]:
    """Per step at which a split was judged: its metrics."""
    log = read_log(folder)
    judged = (e for e in log if isinstance(e, events.Evaluated) and e.split == split)
    return {event.step: event.metrics for event in judged}


def epochs(folder: RunFolder) -> list[Any]:
    """The training figures of each epoch, of the last session that trained it."""
    log = read_log(folder)
    ended = {e.epoch: e.train for e in log if isinstance(e, events.EpochFinished)}
    return [ended[epoch] for epoch in sorted(ended)]


def messages(folder: RunFolder) -> list[str]:
    """What the log says to people."""
    return [e.text for e in read_log(folder) if isinstance(e, events.Message)]


def assert_same_run(one: RunFolder, other: RunFolder, step: int) -> None:
    """Two runs are the same to the bit: their steps, their figures and their checkpoints."""
    assert live_steps(one) == live_steps(other)
    for split in ("validation", "test"):
        assert evaluations(one, split) == evaluations(other, split)
    assert epochs(one) == epochs(other)
    first, second = (read_checkpoint(run.checkpoints / folder_name(step)) for run in (one, other))
    assert first.state == second.state
    for ours, theirs in (
        (first.model, second.model),
        (first.optimizer_tensors, second.optimizer_tensors),
        (first.averaged or {}, second.averaged or {}),
    ):
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name]), name
