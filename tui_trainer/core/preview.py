"""How samples are laid out to be looked at, and how many there are of each class as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui_trainer.core.format import format_count, format_percent

GAP = 2
"""Cells between two tiles."""
NUM_BINS = 10
"""Intervals of a number to predict that a bar is drawn for."""
_SMALLEST_TILE, _LARGEST_TILE = 12, 26
_TILES_ABREAST = 6
# Fewer rows than this only where even the smaller tiles leave room for no more.
_WANTED_ROWS = 2
_LEAST_TILE = 4
# Images no wider than this are shown with whole pixels, as they would blur.
_SMALL_SIDE = 16
_BAR_COLUMN = 36
_MOST_BARS = 24
_LEAST_BAR_LINES = 3
_LABEL_SHARE = 0.45
_LEAST_FILL = 0.8


@dataclass(frozen=True)
class Grid:
    """So many tiles abreast, each of so many cells."""

    columns: int
    tile_width: int
    tile_height: int

    @property
    def width(self) -> int:
        """Cells from the left of the first tile to the right of the last."""
        return self.columns * self.tile_width + (self.columns - 1) * GAP

    def rows_for(self, lines: int) -> int:
        """Rows of tiles, each with a line of labels, that fit into so many lines; one at least."""
        return max(1, lines // (self.tile_height + 1))


def plan_grid(
    width: int,
    image_size: tuple[int, int],
    cell: tuple[int, int],
    *,
    lines: int | None = None,
    group: int = 0,
    pixels_of_cell: tuple[int, int] = (1, 2),
    is_coarse: bool = True,
    least_tile: int = 1,
) -> Grid:
    """Tiles for images of (height, width) pixels on a terminal of `width` cells.

    Args:
        cell: A cell's width and height on the screen.
        lines: How many there are for the rows of tiles and their labels; None is as many as needed.
        group: Samples that belong side by side, such as one of each class: where that many fit
            they are a row, else as many as divide it.
        pixels_of_cell: Pixels that a cell shows.
        is_coarse: Whether these are so few that images are shown best by whole ones.
        least_tile: Cells that what stands over a tile needs.
    """
    image_height, image_width = image_size
    lines_of_cell = cell[0] * image_height / image_width / cell[1]
    tile = min(_LARGEST_TILE, max(_SMALLEST_TILE, width // _TILES_ABREAST))
    largest = _LARGEST_TILE
    if lines is not None:
        largest = _widest_tile(lines, lines_of_cell, tile)
        tile = min(tile, largest)
    whole = -(-image_width // pixels_of_cell[0])
    if is_coarse and whole <= _SMALL_SIDE:
        # Too small to be divided: once or twice as it is.
        tile = max(whole * 2 if whole * 2 <= tile else whole, whole * -(-least_tile // whole))
    tile = min(tile, width)
    columns = _choose_columns(max(1, (width + GAP) // (tile + GAP)), group)
    if whole > _SMALL_SIDE or not is_coarse:
        room = min(largest, (width + GAP) // columns - GAP)
        tile = max(tile, _divide(whole, room) if is_coarse else room)
    return Grid(columns, tile, max(1, round(tile * lines_of_cell)))


def _widest_tile(lines: int, lines_of_cell: float, usual: int) -> int:
    """Cells across that a tile may have: two rows fit, or one if a usual tile is too high for two.

    `lines_of_cell` is how high a tile is for each cell of its width.
    """

    def widest(rows: int) -> int:
        return int((lines // rows - 1) / lines_of_cell)

    return max(_LEAST_TILE, min(_LARGEST_TILE, max(usual, widest(_WANTED_ROWS)), widest(1)))


def _choose_columns(most: int, group: int) -> int:
    """The group as a row, or a part that divides it, unless much of the width were left empty."""
    dividing = [n for n in range(1, most + 1) if group and group % n == 0]
    return max(dividing) if dividing and 2 * max(dividing) > most else most


def _divide(whole: int, room: int) -> int:
    """As much of the room as shows an image of `whole` cells at 1, ½, ⅓ …, if not much is lost."""
    even = max((whole // n for n in range(1, whole + 1) if whole // n <= room), default=room)
    return even if whole % even == 0 and even > room * _LEAST_FILL else room


@dataclass(frozen=True)
class Bar:
    """A class or an interval, and how many samples are of it."""

    label: str
    count: int


def most_bars(width: int, lines: int) -> int:
    """How many bars are shown at most on a terminal of that size: they fill no more than half."""
    abreast = bar_columns(_MOST_BARS, width)
    return min(_MOST_BARS, 2 * (abreast * max(_LEAST_BAR_LINES, lines // 2) // 2))


def choose_bars(
    labels: Sequence[str], counts: Sequence[int], most: int = _MOST_BARS
) -> tuple[list[Bar], int]:
    """The bars to show, in order, and how many are left out between the most and the fewest."""
    bars = [Bar(label, count) for label, count in zip(labels, counts, strict=True)]
    if len(bars) <= most:
        return bars, 0
    ranked = sorted(bars, key=lambda bar: -bar.count)
    half = most // 2
    return ranked[:half] + ranked[-half:], len(bars) - 2 * half


def bar_columns(count: int, width: int) -> int:
    """How many of so many bars stand side by side: few are a list, many fill the width."""
    return 1 if count <= 4 else max(1, min(3, width // _BAR_COLUMN))


def count_bar_lines(count: int, width: int, lines: int) -> int:
    """Lines that the bars of so many classes take, and what is told of those left out."""
    most = most_bars(width, lines)
    shown = min(count, most)
    return -(-shown // bar_columns(shown, width)) + (count > most)


def draw_bar(count: int, most: int, cells: int, *, is_ascii: bool = False) -> str:
    """A bar of up to `cells` cells; whatever is not nothing can be seen."""
    if not most or not count:
        return ""
    if is_ascii:
        return "=" * max(1, round(cells * count / most))
    halves = max(1, round(2 * cells * count / most))
    return "━" * (halves // 2) + "╸" * (halves % 2)


def bar_widths(bars: Sequence[Bar], room: int, label_width: int) -> tuple[int, int, int]:
    """Cells of the label, the bar and the count of one column of bars of `room` cells.

    `label_width` is that of the widest label.
    """
    counts = max(len(format_count(bar.count)) for bar in bars)
    labels = min(label_width, max(4, int(room * _LABEL_SHARE)))
    labels = max(1, min(labels, room - counts - 3))
    return labels, max(1, room - labels - counts - 2), counts


def mixed_label(own: str, other: str, share: float) -> str:
    """The label of a blend, the larger share first: `cat 70 %, dog 30 %`."""
    if share >= 1 or own == other:
        return own
    parts = sorted([(share, own), (1 - share, other)], reverse=True)
    return ", ".join(f"{label} {format_percent(part).strip()}" for part, label in parts)
