"""Scalars that TensorBoard itself can read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tui_trainer.core.config.tensorboard import TensorboardConfig
from tui_trainer.train.figures import Block
from tui_trainer.train.tensorboard import Board


def _block(first: int, loss: float) -> Block:
    ones = np.ones(10, np.float32)
    return Block(first, ones / 10, 40, loss * ones, ones, ones, 4 * ones, 0.5)


def _refuse(text: str) -> None:
    raise AssertionError(text)


def _read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_points_are_means_and_at_most_one_in_a_while(tmp_path: Path) -> None:
    board = Board(tmp_path, TensorboardConfig(every_s=1e6), from_step=0, warn=_refuse)
    for first, loss in ((1, 4.0), (11, 3.0), (21, 1.0)):
        board.add_block(_block(first, loss))
    board.add_metrics("validation", {"loss": 0.5, "accuracy": 0.9}, 30)
    board.close()
    read = _read(tmp_path)
    points = [(e.step, e.value) for e in read.Scalars("loss/step")]
    assert points == [(10, 4.0), (30, 2.0)]
    assert read.Scalars("accuracy/validation")[0].value == pytest.approx(0.9)
    assert read.Scalars("samples_per_s")[0].value == pytest.approx(80)
    assert {"lr", "grad_norm", "loss/validation"} <= set(read.Tags()["scalars"])


def test_gradients_that_overflowed_leave_the_point_of_the_others(tmp_path: Path) -> None:
    board = Board(tmp_path, TensorboardConfig(), warn=_refuse)
    blocks = _block(1, 1.0), _block(11, 1.0)
    blocks[0].grad_norm[:5] = np.inf
    blocks[1].grad_norm[:] = np.inf
    for block in blocks:
        board.add_block(block)
        board._due = 0.0
    board.close()
    first, second = (event.value for event in _read(tmp_path).Scalars("grad_norm"))
    assert first == 1.0
    assert np.isnan(second)


def test_a_resumed_run_purges_what_it_trains_again(tmp_path: Path) -> None:
    board = Board(tmp_path, TensorboardConfig(every_s=1e-9), from_step=0, warn=_refuse)
    for first in (1, 11, 21):
        board.add_block(_block(first, 1.0))
    board.close()
    board = Board(tmp_path, TensorboardConfig(every_s=1e-9), from_step=15, warn=_refuse)
    board.add_block(_block(16, 2.0))
    board.close()
    points = [(e.step, e.value) for e in _read(tmp_path).Scalars("loss/step")]
    assert points == [(10, 1.0), (25, 2.0)]


def test_nothing_is_written_when_switched_off(tmp_path: Path) -> None:
    board = Board(
        tmp_path / "tb", TensorboardConfig(scalars=False, samples=False), from_step=0, warn=_refuse
    )
    board.add_block(_block(1, 1.0))
    board.add_metrics("test", {"loss": 1.0}, 10)
    board.close()
    assert not (tmp_path / "tb").exists()


def test_a_full_disk_costs_points_but_neither_the_run_nor_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    board = Board(tmp_path, TensorboardConfig(every_s=1e-9), warn=told.append)
    board.add_block(_block(1, 1.0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _write_a_part)
        board.add_block(_block(11, 2.0))
        board.add_metrics("validation", {"loss": 0.5}, 20)
    board.add_block(_block(21, 3.0))
    board.close()
    assert told == [
        "TensorBoard's points cannot be written: No space left on device. They are left out until "
        "they can be; the event log has them."
    ]
    points = [(e.step, e.value) for e in _read(tmp_path).Scalars("loss/step")]
    assert points == [(10, 1.0), (30, 3.0)]


_write = os.write


def _write_a_part(descriptor: int, content: bytes) -> int:
    """Writes as a disk that is almost full does."""
    _write(descriptor, content[: len(content) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
