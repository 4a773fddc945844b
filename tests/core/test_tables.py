"""Columns in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.core.growing_table import GrowingTable
from tui_trainer.core.smoothing import Smoother, smooth
from tui_trainer.core.tables import Table, thin_out

CAPACITY = 64


def grow(values: np.ndarray, blocks: list[int], capacity: int = CAPACITY) -> GrowingTable:
    """A table of one metric, fed in blocks of these sizes, over and over."""
    table, start, turn = GrowingTable(("loss",), capacity), 0, 0
    while start < len(values):
        part = values[start : start + blocks[turn % len(blocks)]]
        step = np.arange(start, start + len(part), dtype=np.float64) + 1
        table.extend({"step": step, "elapsed_s": step / 10, "t": step + 1e9, "loss": part})
        start, turn = start + len(part), turn + 1
    return table


def spans(table: Table) -> list[tuple[int, int]]:
    """The first and last step of each row."""
    ends = table.step.astype(int).tolist()
    rows = table.rows.astype(int).tolist() if table.rows is not None else [1] * len(ends)
    return [(end - count + 1, end) for end, count in zip(ends, rows, strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2000),
    st.lists(st.integers(1, 90), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_every_row_ranges_over_exactly_its_steps(count: int, blocks: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=count)
    values[random.random(count) < 0.02] = np.nan
    values[random.random(count) < 0.02] = np.inf
    view = grow(values, blocks).view()
    assert len(view) <= CAPACITY
    covered = [step for first, last in spans(view) for step in range(first, last + 1)]
    assert covered == list(range(1, count + 1))
    ranges = view.ranges("loss")
    for row, (first, last) in enumerate(spans(view)):
        part = values[first - 1 : last]
        finite = part[np.isfinite(part)]
        if ranges is None or first == last:
            np.testing.assert_equal(view["loss"][row], part[0])
        else:
            mean = finite.mean() if len(finite) else np.nan
            np.testing.assert_allclose(view["loss"][row], mean)
        if ranges is not None:
            assert ranges.non_finite[row] == (len(finite) < len(part))
            np.testing.assert_equal(ranges.low[row], finite.min() if len(finite) else np.nan)
            np.testing.assert_equal(ranges.high[row], finite.max() if len(finite) else np.nan)


@settings(max_examples=30, deadline=None)
@given(st.integers(65, 3000), st.integers(1, 70))
def test_bins_are_powers_of_two_at_fixed_places_and_the_newest_rows_are_whole(
    count: int, block: int
) -> None:
    view = grow(np.arange(float(count)), [block]).view()
    sizes = [last - first + 1 for first, last in spans(view)]
    size = max(sizes)
    assert size & (size - 1) == 0
    assert all((first - 1) // size == (last - 1) // size for first, last in spans(view))
    assert sizes[-8:] == [1] * 8


def test_a_view_never_changes_when_rows_are_merged_or_cut() -> None:
    table = grow(np.arange(60.0), [10])
    before = table.view()
    generation = before.generation
    table.extend({"step": np.arange(61.0, 91.0), "elapsed_s": np.arange(30.0), "t": np.ones(30)})
    assert before["loss"].tolist() == list(range(60))
    assert table.view().generation > generation
    kept = table.view()
    table.cut(10)
    assert kept.step[-1] == 90.0 and table.view().step[-1] <= 10


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 1500), st.integers(0, 1500))
def test_a_cut_keeps_no_later_step_and_growing_goes_on(count: int, after: int) -> None:
    table = grow(np.arange(float(count)), [37])
    gone = table.cut(after)
    view = table.view()
    assert all(last <= after for _, last in spans(view))
    assert len(gone) == 0 or gone.step[-1] == count
    first = float(after + 1)
    steps = np.arange(first, first + 200)
    table.extend({"step": steps, "elapsed_s": steps, "t": steps, "loss": steps})
    assert np.all(np.diff(table.view().step) > 0)


def test_a_column_met_late_is_nan_before_it_even_where_rows_were_merged() -> None:
    table = GrowingTable(("loss",), CAPACITY)
    for step in range(200):
        table.append(float(step), 0.0, 0.0, {"loss": 1.0})
    table.append(200.0, 0.0, 0.0, {"loss": 1.0, "f1": 0.5})
    for step in range(201, 300):
        table.append(float(step), 0.0, 0.0, {"loss": 1.0, "f1": 0.5})
    view = table.view()
    assert np.isnan(view["f1"][0]) and view["f1"][-1] == 0.5
    ranges = view.ranges("f1")
    assert ranges is not None and np.nanmax(ranges.high) == 0.5


def test_millions_of_rows_stay_within_the_capacity() -> None:
    table = GrowingTable(("loss",))
    block = np.ones(10_000)
    for start in range(0, 3_000_000, len(block)):
        steps = np.arange(start, start + len(block), dtype=np.float64)
        table.extend({"step": steps, "elapsed_s": steps, "t": steps, "loss": block})
    view = table.view()
    assert len(view) <= 1 << 16 and view.rows is not None and view.rows.sum() == 3_000_000


def test_thinning_out_keeps_the_extremes() -> None:
    values = np.zeros(5000)
    values[1234] = 9.0
    thin = thin_out(grow(values, [100], 1 << 16).view(), 100)
    ranges = thin.ranges("loss")
    assert len(thin) <= 100 and ranges is not None and ranges.high.max() == 9.0


@pytest.mark.parametrize("weight", [0.6, 0.9, 0.995])
def test_smoothing_bins_counts_each_as_often_as_it_stands_for(weight: float) -> None:
    means = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    rows = np.array([4.0, 4.0, 2.0, 1.0, 1.0, 1.0])
    written_out = smooth(np.repeat(means, rows.astype(int)), weight)
    ends = np.cumsum(rows).astype(int) - 1
    smoother = Smoother(weight)
    first = smoother.update(means[:2], 1, rows[:2])
    np.testing.assert_allclose(first, written_out[ends[:2]])
    np.testing.assert_allclose(smoother.update(means, 1, rows), written_out[ends])
