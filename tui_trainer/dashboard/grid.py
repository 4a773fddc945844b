"""Columns of short texts that line up, those needed least left out where the width is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui_trainer.core.canvas import Row, Span
from tui_trainer.dashboard.rows import COLUMN_GAP, align_cell, fit_row, row_width


@dataclass(frozen=True)
class GridColumn:
    """A title and a cell for every line; columns with the lowest `rank` get their place first.

    No cell is shown wider than `most`.
    """

    title: str
    cells: tuple[Row, ...]
    rank: int = 0
    right: bool = False
    most: int = 24

    @property
    def width(self) -> int:
        """Cells taken by the widest of its texts."""
        widest = max((row_width(cell) for cell in self.cells), default=0)
        return min(self.most, max(widest, cell_len(self.title)))


def grid_rows(columns: Sequence[GridColumn], width: int) -> list[Row]:
    """A line of titles and the lines under it, each in exactly `width` cells."""
    shown = _fitting(columns, width)
    titles = [(Span(column.title, "quiet"),) for column in shown]
    lines = [titles, *(list(line) for line in zip(*(c.cells for c in shown), strict=True))]
    return [_line(shown, cells, width) for cells in lines]


def _fitting(columns: Sequence[GridColumn], width: int) -> list[GridColumn]:
    """The columns that find room, in their own order; one in any case."""
    chosen: set[int] = set()
    left = width - 1
    for index in sorted(range(len(columns)), key=lambda index: columns[index].rank):
        needed = columns[index].width + (COLUMN_GAP if chosen else 0)
        if needed <= left or not chosen:
            chosen.add(index)
            left -= needed
    return [column for index, column in enumerate(columns) if index in chosen]


def _line(columns: Sequence[GridColumn], cells: Sequence[Row], width: int) -> Row:
    line: list[Span] = [Span(" ", "")]
    for column, cell in zip(columns, cells, strict=True):
        line += [*align_cell(cell, column.width, right=column.right), Span(" " * COLUMN_GAP, "")]
    return fit_row(tuple(line), width)
