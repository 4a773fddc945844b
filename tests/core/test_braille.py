"""Reducing curves to pixel columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui_trainer.core.axis import Axis
from tui_trainer.core.braille import Columns, rasterize, reduce_columns, rows_of, sparkline

VALUES = arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e6, 1e6))


@settings(max_examples=80, deadline=None)
@given(VALUES, st.integers(2, 130))
def test_no_extreme_is_lost_at_any_width(y: np.ndarray, count: int) -> None:
    x = np.arange(len(y), dtype=np.float64)
    columns = reduce_columns(x, y, 0.0, float(max(1, len(y) - 1)), count)
    assert np.nanmax(columns.high) == y.max()
    assert np.nanmin(columns.low) == y.min()


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(2, 60), st.integers(1, 20))
def test_the_rows_of_the_extremes_are_drawn(y: np.ndarray, width: int, height: int) -> None:
    x = np.arange(len(y), dtype=np.float64)
    columns = reduce_columns(x, y, 0.0, float(max(1, len(y) - 1)), width * 2)
    low, high = float(y.min()), float(y.max())
    axis = Axis(low, high if high > low else low + 1, (), ())
    cells = rasterize(columns, axis, width, height)
    for value in (low, high):
        row = int(rows_of(np.array([value]), axis, height * 4)[0]) // 4
        assert cells[row].any()


def test_values_that_are_not_finite_are_gaps_and_are_told() -> None:
    y = np.array([1.0, 1.0, np.nan, np.inf, 1.0, 1.0])
    columns = reduce_columns(np.arange(6.0), y, 0.0, 5.0, 6)
    assert np.isnan(columns.low).tolist() == [False, False, True, True, False, False]
    assert columns.non_finite.tolist() == [False, False, True, True, False, False]


def test_a_column_of_mixed_points_draws_the_finite_ones() -> None:
    y = np.array([1.0, np.nan, 7.0, -np.inf, 3.0, 3.0])
    columns = reduce_columns(np.arange(6.0), y, 0.0, 5.0, 2)
    assert (columns.low[0], columns.high[0]) == (1.0, 7.0)
    assert columns.non_finite.tolist() == [True, True]


def test_few_points_are_joined_by_lines_but_not_across_a_gap() -> None:
    joined = reduce_columns(np.array([0.0, 10.0]), np.array([0.0, 10.0]), 0.0, 10.0, 11)
    assert joined.low.tolist() == [float(value) for value in range(11)]
    x, y = np.array([0.0, 5.0, 10.0]), np.array([0.0, np.nan, 10.0])
    assert np.isnan(reduce_columns(x, y, 0.0, 10.0, 11).low[1:10]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(2, 60), st.integers(1, 20))
def test_curves_drawn_at_once_are_those_drawn_one_by_one(
    curves: list[np.ndarray], width: int, height: int
) -> None:
    axis = Axis(-1e6, 1e6, (), ())
    alone = [
        reduce_columns(np.arange(len(y), dtype=np.float64), y, 0.0, 399.0, width * 2)
        for y in curves
    ]
    together = Columns(
        np.array([one.low for one in alone]),
        np.array([one.high for one in alone]),
        np.array([one.measured for one in alone]),
        np.array([one.non_finite for one in alone]),
    )
    expected = [rasterize(one, axis, width, height) for one in alone]
    assert np.array_equal(rasterize(together, axis, width, height), expected)


def test_a_sparkline_falls() -> None:
    line = sparkline(np.linspace(1, 0, 50), 8)
    assert len(line) == 8
    assert line[0] != line[-1]
    assert sparkline(np.array([np.nan]), 4) == "    "
