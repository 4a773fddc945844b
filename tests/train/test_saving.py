"""Checkpoints written while training goes on, and what becomes of them when that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from torch import nn
from torch.optim import SGD

from tests import builders
from tests.command import wait_until
from tui_trainer import paths
from tui_trainer.checkpoints.layout import list_steps
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState
from tui_trainer.checkpoints.write import SavedCheckpoint
from tui_trainer.core import events
from tui_trainer.core.config import CheckpointConfig
from tui_trainer.errors import ModelError, StorageError
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train import saving
from tui_trainer.train.saving import CheckpointKeeper

_MODEL = nn.Linear(2, 2)
_FULL = StorageError("The checkpoint could not be written: No space left.", "Free some.")


class Disk:
    """Where checkpoints are written: it can be slow, and it can be full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self.is_free = threading.Event()
        self.is_free.set()
        self._save = saving.save_checkpoint
        monkeypatch.setattr(saving, "save_checkpoint", self._write)

    def _write(self, folder: Path, snapshot: Any) -> SavedCheckpoint:
        assert self.is_free.wait(60)
        if self.is_full:
            raise _FULL
        return self._save(folder, snapshot)


class Clock:
    """A monotonic clock that a test sets; durations are real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(saving.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.is_free.set()


class Saver:
    """A keeper, and the folder it keeps checkpoints in."""

    def __init__(self, run: Path, **settings: Any) -> None:
        run.mkdir(exist_ok=True)
        self._run = run
        self.folder = run / paths.CHECKPOINTS
        self._writer = RunWriter(run)
        self._writer.emit(builders.session_start())
        self.keeper = CheckpointKeeper(
            self.folder, CheckpointConfig(**settings), self._writer, None
        )

    def save(self, step: int, best_step: int | None = None) -> None:
        best = None
        if best_step is not None:
            best = events.Best(metric="accuracy", value=0.5, step=best_step)
        state = TrainingState(
            step=step,
            steps_per_epoch=10,
            lr_scale=1.0,
            best=best,
            totals=EpochTotals(),
            fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
        )
        self.keeper.save(_MODEL, SGD(_MODEL.parameters(), lr=0.1), state, None)

    def logged(self) -> list[Any]:
        """The steps of the checkpoints logged so far, and what was said between them."""
        found: list[Any] = []
        for event in EventLogReader(self._run / paths.EVENTS).read().events:
            if isinstance(event, events.CheckpointSaved):
                found.append(event.step)
            elif isinstance(event, events.CheckpointFailed):
                found.append(("not", event.step, event.newest_step, event.reason))
            elif isinstance(event, events.Message):
                found.append(event.text)
        return found


@pytest.fixture
def saver(tmp_path: Path) -> Saver:
    return Saver(tmp_path)


def test_training_goes_on_while_a_checkpoint_is_written(disk: Disk, saver: Saver) -> None:
    disk.is_free.clear()
    saver.save(1)
    saver.keeper.settle()
    assert saver.logged() == []
    disk.is_free.set()
    saver.keeper.wait()
    assert saver.logged() == [1] == list_steps(saver.folder)


def test_what_is_published_is_logged_when_the_loop_next_looks(saver: Saver) -> None:
    saver.save(1)

    def is_logged() -> bool:
        saver.keeper.settle()
        return saver.logged() == [1]

    wait_until(is_logged, "the checkpoint in the log")


def test_a_state_is_saved_once(saver: Saver) -> None:
    saver.save(1)
    saver.save(1)
    saver.keeper.close()
    assert saver.logged() == [1]


def test_a_checkpoint_waits_for_the_one_before(disk: Disk, saver: Saver) -> None:
    for step in (1, 2, 3):
        saver.save(step)
    saver.keeper.close()
    assert saver.logged() == [1, 2, 3]
    assert list_steps(saver.folder) == [2, 3]


def test_on_a_full_disk_training_goes_on_and_says_what_stands(
    disk: Disk, saver: Saver, clock: Clock
) -> None:
    saver.save(1)
    saver.keeper.wait()
    disk.is_full = True
    for step in (2, 3):
        saver.save(step)
        with pytest.raises(StorageError, match="No space left"):
            saver.keeper.wait()
    assert saver.logged() == [1, ("not", 2, 1, _FULL.message)]
    assert list_steps(saver.folder) == [1]
    assert not saver.keeper.is_due(3)
    clock.now += 11
    assert saver.keeper.is_due(3)
    disk.is_full = False
    saver.save(3)
    saver.keeper.close()
    assert saver.logged()[2:] == [3, "checkpoints are saved again"]


@pytest.mark.parametrize("comes_better", [False, True])
def test_the_best_weights_outlast_a_full_disk_until_there_are_better(
    disk: Disk, saver: Saver, comes_better: bool
) -> None:
    disk.is_full = True
    saver.save(1, best_step=1)
    saver.save(2, best_step=2 if comes_better else 1)
    saver.save(3, best_step=2 if comes_better else 1)
    disk.is_full = False
    saver.save(4, best_step=2 if comes_better else 1)
    saver.keeper.wait()
    assert list_steps(saver.folder) == ([2, 4] if comes_better else [1, 4])


def test_a_state_that_cannot_be_saved_at_all_is_an_error(
    saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, snapshot: object) -> None:
        raise ModelError("no", "None.")

    monkeypatch.setattr(saving, "save_checkpoint", refuse)
    saver.save(1)
    with pytest.raises(ModelError):
        saver.keeper.wait()


def test_steps_to_save_are_due_whatever_the_time(tmp_path: Path) -> None:
    keeper = Saver(tmp_path, every_steps=50).keeper
    assert [step for step in range(1, 201) if keeper.is_due_at(step)] == [50, 100, 150, 200]
    assert not Saver(tmp_path / "other").keeper.is_due_at(50)


def test_saving_takes_its_share_of_the_time_and_says_so(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver, keeper = Saver(tmp_path / "a"), Saver(tmp_path / "b", every_s=5.0).keeper
    for cost_s, interval_s in ((0.1, 60), (3.0, 300), (2.0, 200), (0.1, 60)):
        saver.keeper._due_s = clock.now + saver.keeper._interval_s
        saver.keeper._adapt_interval(cost_s)
        assert saver.keeper._due_s == pytest.approx(clock.now + interval_s)
        keeper._adapt_interval(cost_s)
        assert keeper._interval_s == 5.0
    assert saver.logged() == ["a checkpoint every 5:00: one takes 3.0 s to save"]


def test_the_stall_is_logged_apart_from_the_writing(
    saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def lasting(duration_s: float, real: Callable[..., Any]) -> Callable[..., Any]:
        def last(*arguments: Any, **options: Any) -> Any:
            now[0] += duration_s
            return real(*arguments, **options)

        return last

    monkeypatch.setattr(saving.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(saving, "take_snapshot", lasting(0.25, saving.take_snapshot))
    monkeypatch.setattr(saving, "save_checkpoint", lasting(2.0, saving.save_checkpoint))
    saver.save(1)
    saver.keeper.close()
    (saved,) = (
        event
        for event in EventLogReader(saver._run / paths.EVENTS).read().events
        if isinstance(event, events.CheckpointSaved)
    )
    assert (saved.stall_s, saved.duration_s) == (0.25, 2.0)
    assert msgspec.structs.asdict(saved)["best"] is False


def test_a_checkpoint_is_begun_so_early_that_it_is_published_in_time(
    saver: Saver, clock: Clock
) -> None:
    saver.keeper._writing_s = 5.0
    saver.save(1)
    saver.keeper.wait()
    clock.now += 54
    assert not saver.keeper.is_due(2)
    clock.now += 2
    assert saver.keeper.is_due(2)
