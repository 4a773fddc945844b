"""Runs trained by the workers of a pool, and when two of them are the same."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.faults import net, plan
from tests.faults.worker_pool import PooledWorker, Trouble, WorkerPool
from tests.tasks import configure
from tests.train.runs import assert_same_run, live_steps, read_log
from tui_trainer import paths
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.jobs import TrainJob
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.job_folder import write_job
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, read_run

# 290 samples to train on: an epoch ends on a batch of 2.
STEPS_PER_EPOCH, EPOCHS = 25, 16 if plan.IS_LONG else 8
STEPS = STEPS_PER_EPOCH * EPOCHS
SAVED_EVERY = 20

EVERYTHING: dict[str, Any] = {
    "data__dataset": "digits",
    "data__batch_size": 12,
    "model__name": f"{Path(net.__file__).absolute()}:Net",
    "training__epochs": EPOCHS,
    "training__seed": plan.SEED,
    "optimizer__name": "adamw",
    "optimizer__lr": 0.003,
    "optimizer__weight_decay": 0.01,
    "optimizer__clip_norm": 1.0,
    "schedule__name": "one-cycle",
    "schedule__warmup": 0.3,
    "average__name": "ema",
    "average__ema_decay": 0.98,
    "augment__crop": 1,
    "augment__translate": 1,
    "augment__flip": 0.5,
    "augment__erase": 0.3,
    "augment__mixup": 0.2,
    "augment__cutmix": 0.2,
    "loss__label_smoothing": 0.1,
    "hardware__device": "cpu",
    "hardware__threads": 1,
}
"""Settings of a run in which all takes part that a resume has to bring back."""

OFTEN = EVERYTHING | {"checkpoints__every_steps": SAVED_EVERY}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "resident": OFTEN,
    "two loaders": OFTEN | {"data__placement": "stream", "data__workers": 2},
    "no loader": OFTEN | {"data__placement": "stream", "data__workers": 0},
    "best only": EVERYTHING,
}


class PooledRun:
    """A run whose sessions are workers of a pool."""

    def __init__(self, pool: WorkerPool, data_dir: Path, runs_dir: Path, config: RunConfig) -> None:
        self.config = config
        self._pool = pool
        environment = capture_environment(["test"], with_code=False)
        self.folder: RunFolder = Registry(runs_dir).create(environment, encode_config(config))
        self._job = TrainJob(
            run_path=str(self.folder.path),
            data_dir=str(data_dir),
            config=config,
            session="",
            trust_code=True,
        )

    @classmethod
    def of(
        cls, pool: WorkerPool, data_dir: Path, runs_dir: Path, settings: dict[str, Any]
    ) -> PooledRun:
        """A run with settings named `part__field`."""
        return cls(pool, data_dir, runs_dir, configure(**settings))

    def start(self, trouble: Trouble | None = None) -> PooledWorker:
        """Begin to train, or go on."""
        job = msgspec.structs.replace(self._job, session=uuid.uuid4().hex)
        self._job = msgspec.structs.replace(self._job, resume=True)
        write_job(self.folder.path / paths.JOB_FOLDER, job)
        return self._pool.start(self.folder.path, trouble)

    @property
    def state(self) -> str:
        """The state as everyone sees it."""
        return str(read_run(self.folder).state)

    @property
    def saved(self) -> int:
        """The step of the newest checkpoint that was published, 0 without one."""
        return max(list_steps(self.folder.checkpoints), default=0)


@contextmanager
def replay_told(what: str, story: Sequence[str] = ()) -> Iterator[None]:
    """Add to a failure what was done to which run, and how to do it again."""
    try:
        yield
    except BaseException as error:
        error.add_note("\n".join([f"seed {plan.SEED}, {what}: {plan.REPLAY}", *story]))
        raise


def last_files(run: RunFolder) -> dict[str, str]:
    """SHA-256 of each file of the checkpoint of a run's last step."""
    folder = run.checkpoints / folder_name(read_run(run).snapshot.steps)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def assert_same_to_the_bit(one: RunFolder, other: RunFolder) -> None:
    """Two finished runs are the same: every step ever taken, every figure, every file."""
    num_steps = read_run(other).snapshot.steps
    expected = live_steps(other)
    assert sorted(live_steps(one)) == sorted(expected) == list(range(1, num_steps + 1))
    assert_same_run(one, other, num_steps)
    assert last_files(one) == last_files(other)
    for event in read_log(one):
        if isinstance(event, events.Steps):
            rows = zip(event.loss, event.lr, event.grad_norm, event.accuracy, strict=True)
            assert all(row == expected[step] for step, row in enumerate(rows, event.first))
