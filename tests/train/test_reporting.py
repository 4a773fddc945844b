"""Telling of steps costs training a small share of its time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import builders
from tui_trainer.core.config.tensorboard import TensorboardConfig
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train import reporting
from tui_trainer.train.reporting import StepReporter
from tui_trainer.train.tensorboard import Board


@pytest.fixture
def reporter(tmp_path: Path) -> StepReporter:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    board = Board(tmp_path / "tensorboard", TensorboardConfig(scalars=False), warn=print)
    return StepReporter(
        writer,
        board,
        torch.device("cpu"),
        ("loss", "grad_norm", "correct"),
        steps_per_epoch=10_000,
        scales_loss=False,
    )


def _add(reporter: StepReporter, step: int) -> None:
    for figure, value in zip(reporter.next_row()[:3], (0.5, 1.0, 3), strict=True):
        assert figure is not None
        figure.fill_(value)
    reporter.add(step, 0.1, 4)


def _deliver(reporter: StepReporter, first: int, times: int) -> None:
    for step in range(first, first + times):
        _add(reporter, step)
        reporter.deliver()


@pytest.mark.parametrize(
    ("cost_s", "interval_s"), [(1e-4, 0.1), (2e-3, 0.4), (0.5, 1.0)], ids=["cheap", "dear", "slow"]
)
def test_blocks_leave_less_often_where_they_cost_much(
    reporter: StepReporter, monkeypatch: pytest.MonkeyPatch, cost_s: float, interval_s: float
) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += cost_s
        return now[0]

    class Time:
        perf_counter = staticmethod(clock)

    monkeypatch.setattr(reporting, "time", Time)
    _deliver(reporter, 1, 60)
    assert reporter._gatherer.interval_s == pytest.approx(interval_s, rel=0.01)


def test_every_step_is_told_whatever_the_interval(reporter: StepReporter) -> None:
    _deliver(reporter, 1, 5)
    _add(reporter, 6)
    reporter.drain()
    assert reporter.totals.samples == 24
    assert reporter.totals.correct == 18
