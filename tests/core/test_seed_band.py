"""The mean and the band of runs that differ only in their seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.seed_band import Line, mean_and_band
from tui_trainer.core.tables import FloatArray, Ranges

numbers = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    points = draw(st.lists(st.tuples(st.integers(0, 60), numbers), max_size=40))
    points.sort(key=lambda point: point[0])
    x = np.array([point[0] for point in points], np.float64)
    return Line(x, np.array([point[1] for point in points], np.float64))


@st.composite
def places(draw: st.DrawFn) -> FloatArray:
    chosen = draw(st.sets(st.integers(-10, 70), max_size=30))
    return np.array(sorted(chosen), np.float64)


def line(y: list[float], first: int = 0) -> Line:
    return Line(np.arange(first, first + len(y), dtype=np.float64), np.array(y))


@given(st.lists(lines(), max_size=5), places())
def test_the_mean_lies_in_the_band_and_both_only_where_two_lines_are(
    many: list[Line], x: FloatArray
) -> None:
    band = mean_and_band(many, x)
    drawn = band.count >= 2
    assert len(band.mean) == len(x)
    assert (np.isfinite(band.mean) == drawn).all()
    assert (band.low[drawn] <= band.mean[drawn]).all()
    assert (band.mean[drawn] <= band.high[drawn]).all()
    assert np.isnan(band.low[~drawn]).all() and np.isnan(band.high[~drawn]).all()


@given(st.lists(lines(), min_size=2, max_size=5), st.integers(2, 40))
def test_no_point_lies_outside_the_band(many: list[Line], count: int) -> None:
    x = np.linspace(0.0, 60.0, count)
    band = mean_and_band(many, x)
    half = (x[1] - x[0]) / 2
    for single in many:
        for place, value in zip(single.x, single.y, strict=True):
            near = np.flatnonzero(np.abs(x - place) < half * (1 - 1e-9))
            if np.isfinite(value) and len(near) and band.count[near[0]] >= 2:
                assert band.low[near[0]] <= value <= band.high[near[0]]


@given(st.lists(lines(), max_size=4), places(), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    many: list[Line], x: FloatArray, random: np.random.RandomState
) -> None:
    shuffled = list(many)
    random.shuffle(shuffled)
    one, other = mean_and_band(many, x), mean_and_band(shuffled, x)
    np.testing.assert_array_equal(one.low, other.low)
    np.testing.assert_array_equal(one.high, other.high)
    np.testing.assert_array_equal(one.count, other.count)


@given(lines(), places(), st.integers(2, 4))
def test_a_line_with_itself_is_the_line(single: Line, x: FloatArray, count: int) -> None:
    alone, together = (mean_and_band([single] * number, x) for number in (2, count))
    np.testing.assert_array_equal(alone.low, together.low)
    np.testing.assert_allclose(alone.mean, together.mean, rtol=1e-9)


def test_the_mean_and_the_range_of_two_lines() -> None:
    band = mean_and_band([line([1.0, 2.0, 3.0]), line([3.0, 4.0, 7.0])], np.arange(3.0))
    assert band.mean.tolist() == [2.0, 3.0, 5.0]
    assert band.low.tolist() == [1.0, 2.0, 3.0]
    assert band.high.tolist() == [3.0, 4.0, 7.0]


def test_a_shorter_run_ends_the_band_and_not_the_longer_runs() -> None:
    short, long, longer = line([1.0, 1.0]), line([3.0] * 4), line([5.0] * 5)
    band = mean_and_band([short, long, longer], np.arange(5.0))
    assert band.count.tolist() == [3, 3, 2, 2, 1]
    np.testing.assert_array_equal(band.mean, [3.0, 3.0, 4.0, 4.0, np.nan])
    np.testing.assert_array_equal(band.low, [1.0, 1.0, 3.0, 3.0, np.nan])


def test_sparse_points_are_joined_and_a_gap_stays_a_gap() -> None:
    sparse = Line(np.array([0.0, 4.0, 8.0]), np.array([0.0, 4.0, np.nan]))
    band = mean_and_band([sparse, sparse], np.arange(9.0))
    np.testing.assert_array_equal(band.mean, [0, 1, 2, 3, 4, *[np.nan] * 4])


def test_merged_points_count_with_all_they_range_over() -> None:
    ranges = Ranges(np.array([1.0, 0.5]), np.array([9.0, 3.0]), np.zeros(2, np.bool_))
    merged = Line(np.array([0.0, 1.0]), np.array([2.0, 2.0]), ranges)
    band = mean_and_band([merged, line([2.0, 2.0])], np.arange(2.0))
    assert band.low.tolist() == [1.0, 0.5]
    assert band.high.tolist() == [9.0, 3.0]
    assert band.mean.tolist() == [2.0, 2.0]


def test_many_points_at_one_place_are_averaged_and_none_is_lost() -> None:
    spiked = Line(np.linspace(0, 10, 1001), np.where(np.arange(1001) == 512, 100.0, 1.0))
    band = mean_and_band([spiked, spiked], np.arange(11.0))
    assert band.high.max() == 100.0 and band.low.tolist() == [1.0] * 11
    assert 1.0 < band.mean.max() < 3.0
