"""Laying out samples, and bars of how many there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.preview import (
    Bar,
    bar_columns,
    bar_widths,
    choose_bars,
    count_bar_lines,
    draw_bar,
    mixed_label,
    most_bars,
    plan_grid,
)

_CELL = (10, 20)


@given(
    st.integers(1, 400),
    st.integers(1, 600),
    st.integers(1, 600),
    st.integers(0, 200),
    st.booleans(),
)
def test_a_grid_is_never_wider_than_the_terminal(
    width: int, height: int, image_width: int, group: int, is_coarse: bool
) -> None:
    size = (height, image_width)
    grid = plan_grid(width, size, _CELL, group=group, is_coarse=is_coarse)
    assert grid.columns >= 1 and grid.tile_width >= 1 and grid.tile_height >= 1
    assert grid.width <= width


def test_digits_stand_in_rows_that_divide_their_classes() -> None:
    grid = plan_grid(80, (28, 28), _CELL, group=10)
    # Half of 28 pixels, so that each cell is the mean of whole ones.
    assert (grid.columns, grid.tile_width, grid.tile_height) == (5, 14, 7)
    assert plan_grid(200, (8, 8), _CELL, group=10).columns == 10
    # Seven side by side would leave almost all of the width empty.
    assert plan_grid(80, (28, 28), _CELL, group=97).columns == 5


def test_tiny_images_keep_whole_pixels() -> None:
    assert plan_grid(80, (8, 8), _CELL, group=10).tile_width == 8
    assert plan_grid(200, (8, 8), _CELL, group=10).tile_width == 16
    assert plan_grid(80, (6, 6), _CELL, least_tile=9).tile_width == 12


def test_tiles_are_as_high_as_their_images() -> None:
    assert plan_grid(80, (64, 128), _CELL).tile_height * 4 == pytest.approx(14, abs=3)
    wide, tall = plan_grid(80, (32, 64), _CELL), plan_grid(80, (64, 32), _CELL)
    assert wide.tile_height < tall.tile_height


def test_one_row_is_shown_however_low_the_terminal() -> None:
    grid = plan_grid(80, (28, 28), _CELL)
    assert grid.rows_for(3) == 1
    assert grid.rows_for(40) == 40 // (grid.tile_height + 1)


@given(
    st.integers(20, 400),
    st.integers(8, 100),
    st.integers(17, 600),
    st.integers(17, 600),
    st.integers(0, 200),
    st.booleans(),
)
def test_a_grid_is_no_higher_than_there_is_room(
    width: int, lines: int, height: int, image_width: int, group: int, is_coarse: bool
) -> None:
    # Of images that are many times as high as they are wide no tile is low enough.
    height = min(height, 3 * image_width)
    grid = plan_grid(
        width, (height, image_width), _CELL, lines=lines, group=group, is_coarse=is_coarse
    )
    assert grid.rows_for(lines) * (grid.tile_height + 1) <= lines
    assert grid.width <= width


def test_low_terminals_get_two_rows_of_smaller_tiles() -> None:
    # What 80 by 24 cells leave beside a title and three bars.
    grid = plan_grid(80, (64, 64), _CELL, lines=18, group=3)
    assert (grid.columns, grid.tile_width, grid.tile_height) == (3, 16, 8)
    assert grid.rows_for(18) == 2
    # One row of usual tiles, if there is no room for two of them.
    low = plan_grid(80, (64, 64), _CELL, lines=11, group=20)
    assert low.rows_for(11) == 1 and low.columns == 5 and low.tile_width >= 12


def test_of_many_classes_the_most_and_the_fewest_are_shown() -> None:
    labels = [str(n) for n in range(100)]
    bars, left_out = choose_bars(labels, list(range(100)))
    assert left_out == 76
    assert [bar.count for bar in bars] == [*range(99, 87, -1), *range(11, -1, -1)]
    assert choose_bars(["a", "b"], [1, 2]) == ([Bar("a", 1), Bar("b", 2)], 0)
    bars, left_out = choose_bars(labels, list(range(100)), 6)
    assert [bar.count for bar in bars] == [99, 98, 97, 2, 1, 0] and left_out == 94


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 80), st.booleans())
def test_a_bar_is_no_longer_than_its_room(a: int, b: int, cells: int, is_ascii: bool) -> None:
    count, most = sorted((a, b))
    bar = draw_bar(count, most, cells, is_ascii=is_ascii)
    assert len(bar) <= cells
    assert bool(bar) == (count > 0)
    assert len(draw_bar(most, most, cells, is_ascii=is_ascii)) == (cells if most else 0)


@given(st.integers(8, 200), st.integers(1, 500), st.integers(1, 24))
def test_label_bar_and_count_share_their_room(room: int, label_width: int, number: int) -> None:
    bars = [Bar("x", 10**n % 99_999) for n in range(number)]
    labels, bar, counts = bar_widths(bars, room, label_width)
    assert min(labels, bar, counts) >= 1
    assert labels + bar + counts + 2 <= max(room, counts + 4)


@given(st.integers(1, 2000), st.integers(20, 400), st.integers(10, 200))
def test_lines_of_bars_hold_them_all(count: int, width: int, lines: int) -> None:
    bars, left_out = choose_bars(["x"] * count, [1] * count, most_bars(width, lines))
    held = count_bar_lines(count, width, lines)
    assert (held - bool(left_out)) * bar_columns(len(bars), width) >= len(bars)
    assert held <= lines // 2 + 1
    assert len(bars) + left_out == count


def test_a_blend_names_the_larger_share_first() -> None:
    assert mixed_label("cat", "dog", 0.3) == "dog 70 %, cat 30 %"
    assert mixed_label("cat", "cat", 0.3) == "cat"
    assert mixed_label("cat", "dog", 1.0) == "cat"
