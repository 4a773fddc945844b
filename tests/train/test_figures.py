"""Figures leave the device in blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tui_trainer.train import figures as module
from tui_trainer.train.figures import Block, FigureGatherer
from tui_trainer.train.step import StepFigures


def _figures(value: float) -> StepFigures:
    return StepFigures(
        torch.tensor(value), torch.tensor(2 * value), torch.tensor(3), torch.tensor(4.0)
    )


def test_a_block_holds_the_steps_in_order() -> None:
    gatherer = FigureGatherer(torch.device("cpu"))
    for step in (5, 6, 7):
        gatherer.add(step, _figures(step / 10), lr=0.1 * step, count=4)
    (block,) = gatherer.send()
    assert block.first == 5
    assert block.loss.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert block.grad_norm.tolist() == pytest.approx([1.0, 1.2, 1.4])
    assert block.accuracy.tolist() == [0.75, 0.75, 0.75]
    assert block.lr == (0.5, 0.1 * 6, 0.1 * 7)
    every = np.ones(3, bool)
    assert block.loss_sum(every) == pytest.approx(4 * 1.8)
    assert block.loss_sum(np.array([True, False, True])) == pytest.approx(4 * 1.2)
    assert gatherer.send() == []
    assert gatherer.drain() == []


def test_a_block_is_due_by_time_or_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    gatherer = FigureGatherer(torch.device("cpu"))
    assert not gatherer.add(1, _figures(1), 0.1, 1)
    now[0] = 0.11
    assert gatherer.add(2, _figures(1), 0.1, 1)
    gatherer.send()
    due = [gatherer.add(step, _figures(1), 0.1, 1) for step in range(3, 2003)]
    assert due == [False] * 1999 + [True]


def test_the_steps_that_are_not_finite_are_found() -> None:
    finite = np.ones(3, np.float32)
    bad = np.array([1, np.inf, np.nan], np.float32)
    every, first = [True, True, True], [True, False, False]
    for loss, norm, good, without in (
        (finite, finite, every, every),
        (bad, finite, first, first),
        (finite, bad, first, every),
    ):
        block = Block(10, [0.1] * 3, 12, loss, norm, finite, 4 * finite, 1.0)
        assert block.is_finite(with_gradient=True).tolist() == good
        assert block.is_finite(with_gradient=False).tolist() == without
