"""The one place that knows tuitrain's inside: its real session, run here instead of in a worker.

What trains is `run_session`, as in a worker's process, with everything on that is on by default:
event log, summary, TensorBoard, checkpoints, gradient norm, resource samples, control. For the
length of a session one name is replaced: `set_up`, by one that counts the batches it hands out.
For the cost of logging it is a second one, `StepReporter`, by one with clocks.
"""

from __future__ import annotations

import dataclasses
import importlib
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from unittest import mock

from benchmarks.contestant import BATCH_SIZE, LEARNING_RATE, MOMENTUM, Course, Steps
from benchmarks.pacer import Ended
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.core.jobs import TrainJob
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.registry import Registry
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker.session import run_session
from tui_trainer.worker.threads import choose_threads


class CountedBatches:
    """A task's training batches, which tell of each step and ask for a stop at the end.

    The step on a batch is done, and what the loop does after it, when the next is asked for.
    """

    def __init__(self, batches: Any, pacer: Steps, interrupts: Interrupts) -> None:
        self._batches = batches
        self._pacer = pacer
        self._interrupts = interrupts

    def __len__(self) -> int:
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def shuffled(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """The batches of an epoch."""
        for batch in self._batches.shuffled(*args, **kwargs):
            yield batch
            if self._interrupts.stop_signal is None:
                try:
                    self._pacer.step_done()
                except Ended:
                    self._interrupts.stop_signal = signal.SIGTERM


def make_job(data_dir: Path, runs_dir: Path, settings: dict[str, Any]) -> TrainJob:
    """A new run folder with a configuration, and the job that trains it."""
    config = resolve([Setting(key, value, "benchmark") for key, value in settings.items()]).config
    environment = capture_environment(["benchmark"], with_code=False)
    folder = Registry(runs_dir.absolute()).create(environment, encode_config(config))
    return TrainJob(
        run_path=str(folder.path),
        data_dir=str(data_dir),
        config=config,
        session=uuid.uuid4().hex,
        force=True,
    )


def mnist_settings(device: str, threads: int, *, epochs: int) -> dict[str, Any]:
    """The settings that all contestants of the step benchmark share."""
    return {
        "data.dataset": "mnist",
        "data.validation": 0.0,
        "data.batch_size": BATCH_SIZE,
        "model.name": "mnist-example",
        "optimizer.name": "sgd",
        "optimizer.lr": LEARNING_RATE,
        "optimizer.momentum": MOMENTUM,
        "optimizer.weight_decay": 0.0,
        "schedule.name": "constant",
        "training.epochs": epochs,
        "hardware.device": device,
        "hardware.threads": threads,
    }


def train(course: Course) -> dict[str, Any]:
    """Train for ever; what the run folder then holds."""
    settings = mnist_settings(course.device, course.threads, epochs=100_000)
    job = make_job(course.data_dir, course.runs_dir, settings)
    run_counted(job, course.pacer)
    return inspect_run(Path(job.run_path))


def run_counted(job: TrainJob, pacer: Steps) -> None:
    """Train a run as a worker does, until its end or until `pacer` raises `Ended`."""
    # Before torch is imported, as in a worker.
    choose_threads(job.config.hardware.threads)
    training: Any = importlib.import_module("tui_trainer.worker.training")
    interrupts = Interrupts()
    set_up = training.set_up

    def set_up_counted(*args: Any, **kwargs: Any) -> Any:
        task = set_up(*args, **kwargs)
        counted = CountedBatches(task.train, pacer, interrupts)
        return dataclasses.replace(task, train=cast(Any, counted))

    with mock.patch.object(training, "set_up", set_up_counted):
        run_session(job, interrupts)


def inspect_run(run: Path) -> dict[str, Any]:
    """What a run folder holds: steps logged with all their figures, points, checkpoints."""
    facts = {"steps": 0, "blocks": 0, "with_grad_norm": 0, "resources": 0, "checkpoints": 0}
    reader = EventLogReader(run / paths.EVENTS)
    while True:
        batch = reader.read()
        for event in batch.events:
            if isinstance(event, events.Steps):
                facts["steps"] += len(event.loss)
                facts["with_grad_norm"] += len(event.grad_norm)
                facts["blocks"] += 1
            facts["resources"] += isinstance(event, events.Resources)
            facts["checkpoints"] += isinstance(event, events.CheckpointSaved)
        if batch.at_end:
            break
    files = (run / paths.TENSORBOARD).glob("*")
    return facts | {"tensorboard_bytes": sum(file.stat().st_size for file in files)}
