"""Exponential moving averages."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.core.smoothing import LEVELS, Smoother, level_for, smooth


def plain_average(values: list[float], weight: float) -> list[float]:
    total, count, result = 0.0, 0, []
    for value in values:
        if not np.isfinite(value):
            result.append(value)
            continue
        total, count = weight * total + (1 - weight) * value, count + 1
        result.append(total / (1 - weight**count))
    return result


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=60),
    st.sampled_from([0.6, 0.9, 0.995]),
    st.integers(0, 60),
)
def test_it_is_the_plain_recurrence_in_whatever_pieces_it_comes(
    values: list[float], weight: float, cut: int
) -> None:
    curve = np.array(values, np.float64)
    smoother = Smoother(weight)
    smoother.update(curve[:cut], 0)
    expected = plain_average(values, weight)
    np.testing.assert_allclose(smoother.update(curve, 0), expected, rtol=1e-6, atol=1e-6)


def test_the_start_is_not_pulled_to_zero() -> None:
    np.testing.assert_allclose(smooth(np.full(5, 3.0), 0.99), 3.0)


def test_longer_runs_are_smoothed_more() -> None:
    weights = [LEVELS[level_for(steps)] for steps in (0, 100, 630, 2345, 60_000)]
    assert weights == [0.0, 0.0, 0.8, 0.95, 0.995]


def test_another_generation_starts_anew() -> None:
    smoother = Smoother(0.9)
    smoother.update(np.array([100.0, 100.0]), 0)
    np.testing.assert_allclose(smoother.update(np.ones(3), 1), 1.0)


def test_long_curves_are_continued_across_chunks() -> None:
    values = np.random.default_rng(0).normal(size=40_000)
    np.testing.assert_allclose(smooth(values, 0.9)[-1], plain_average(values.tolist(), 0.9)[-1])
