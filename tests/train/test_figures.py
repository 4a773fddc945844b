"""Figures leave the device in blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tui_trainer.train import figures as module
from tui_trainer.train.figures import EVERY_STEP, Block, FigureGatherer


def _gatherer(*names: str) -> FigureGatherer:
    return FigureGatherer(torch.device("cpu"), ("loss", "grad_norm", *names))


def _add(gatherer: FigureGatherer, step: int, value: float, lr: float = 0.1) -> bool:
    figures = gatherer.next_row()
    for figure, number in zip(figures, (value, 2 * value, 3, 4), strict=True):
        if figure is not None:
            figure.fill_(number)
    return gatherer.add(step, lr, count=5)


def test_a_block_holds_the_steps_in_order() -> None:
    gatherer = _gatherer("correct", "counted")
    for step in (5, 6, 7):
        _add(gatherer, step, step / 10, lr=0.1 * step)
    (block,) = gatherer.send()
    # The steps that follow leave it as it is.
    _add(gatherer, 8, 100.0)
    assert block.first == 5
    assert block.loss.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert block.grad_norm.tolist() == pytest.approx([1.0, 1.2, 1.4])
    assert block.accuracy.tolist() == [0.75, 0.75, 0.75]
    assert block.lr.tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert block.num_samples == 15
    assert block.sum_up(EVERY_STEP) == (pytest.approx(4 * 1.8), 9, 12)
    assert block.sum_up(np.array([True, False, True])) == (pytest.approx(4 * 1.2), 6, 8)
    (last,) = gatherer.drain()
    assert (last.first, last.loss.tolist()) == (8, [100.0])
    assert gatherer.send() == []
    assert gatherer.drain() == []


def test_a_block_of_steps_that_classify_nothing_counts_every_sample() -> None:
    gatherer = _gatherer()
    for step in (1, 2):
        _add(gatherer, step, 0.5)
    (block,) = gatherer.send()
    assert block.correct is None
    assert block.accuracy.tolist() == []
    assert block.counted.tolist() == [5, 5]
    assert block.sum_up(EVERY_STEP) == (5.0, 0, 10)


def test_counts_are_exact_where_float32_is_not() -> None:
    ones = np.ones(3, np.float32)
    counts = np.array([2**24, 1, 1], np.float32)
    block = Block(1, ones, 2**24 + 2, ones, ones, counts, counts, 1.0)
    assert block.sum_up(EVERY_STEP) == (2**24 + 2, 2**24 + 2, 2**24 + 2)


def test_a_block_is_due_by_time_or_by_length(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    gatherer = _gatherer("correct")
    assert not _add(gatherer, 1, 1)
    now[0] = 0.11
    assert _add(gatherer, 2, 1)
    gatherer.send()
    due = [_add(gatherer, step, 1) for step in range(3, 2003)]
    assert due == [False] * 1999 + [True]
    (block,) = gatherer.send()
    assert block.loss.tolist() == [1.0] * 2000


def test_the_steps_that_are_not_finite_are_found() -> None:
    finite = np.ones(3, np.float32)
    bad = np.array([1, np.inf, np.nan], np.float32)
    every, first = [True, True, True], [True, False, False]
    for loss, norm, good, without in (
        (finite, finite, every, every),
        (bad, finite, first, first),
        (finite, bad, first, every),
    ):
        block = Block(10, finite / 10, 12, loss, norm, finite, 4 * finite, 1.0)
        assert block.is_finite(with_gradient=True).tolist() == good
        assert block.is_finite(with_gradient=False).tolist() == without


_VALUES = st.floats(width=32) | st.sampled_from([0.0, 3e38, -3e38, 1e-45])


@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=30), st.booleans())
@example([(3.4028234e38, 1.1e31)], True)
@example([(3e38, 3e38), (-3e38, 3e38)], True)
def test_the_quick_look_agrees_with_the_thorough_one(
    figures: list[tuple[float, float]], with_gradient: bool
) -> None:
    loss_N, norm_N = np.array(figures, np.float32).T.copy()
    block = Block(1, loss_N, len(loss_N), loss_N, norm_N, None, loss_N, 0.1)
    with np.errstate(all="ignore"):
        thorough = block.is_finite(with_gradient=with_gradient).all()
        assert block.are_all_finite(with_gradient=with_gradient) == thorough
