"""Lines of the table of runs: which columns fit, their titles, and a run's line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tui_trainer.core.canvas import Row, Span
from tui_trainer.dashboard.columns import COLUMNS, NEWEST_FIRST, Column, RunLine, Sort
from tui_trainer.dashboard.rows import COLUMN_GAP, align_cell, fit_row

GUTTER = 3
_LAST_MAIN_RANK = 6


@lru_cache(64)
def choose_columns(
    width: int, columns: tuple[Column, ...] = COLUMNS
) -> tuple[tuple[Column, int], ...]:
    """The columns that fit and their widths.

    Spare width goes first to texts in the main columns, then to the extra columns and theirs.
    """
    shown = [column for column in columns if column.rank <= _LAST_MAIN_RANK]
    extra = [column for column in columns if column.rank > _LAST_MAIN_RANK]
    while len(shown) > 1 and _total(shown) > width:
        shown.remove(max(reversed(shown), key=lambda column: column.rank))
        extra = []
    sizes, spare = _grow(shown, max(0, width - _total(shown)))
    fitting = []
    for column in sorted(extra, key=lambda column: column.rank):
        if column.width + COLUMN_GAP > spare:
            break
        spare -= column.width + COLUMN_GAP
        fitting.append(column)
    sizes |= _grow(fitting, spare)[0]
    return tuple((column, sizes[column.title]) for column in columns if column.title in sizes)


def _grow(columns: Sequence[Column], spare: int) -> tuple[dict[str, int], int]:
    """The widths of columns after they took what they need of the spare width; what is left."""
    sizes = {}
    for column in columns:
        more = min(column.grow, spare)
        spare -= more
        sizes[column.title] = column.width + more
    return sizes, spare


def _total(columns: Sequence[Column]) -> int:
    return GUTTER + sum(column.width for column in columns) + COLUMN_GAP * (len(columns) - 1) + 1


def title_row(width: int, columns: tuple[Column, ...] = COLUMNS, sort: Sort = NEWEST_FIRST) -> Row:
    """The titles of the columns; a triangle marks the one that the runs are sorted by."""
    row: list[Span] = [Span(" " * GUTTER, "")]
    for column, size in choose_columns(width, columns):
        is_sorted = column.title == sort.title
        mark = ("▾" if sort.descending else "▴") if is_sorted else ""
        role = "text" if is_sorted else "quiet"
        if column.right:
            # The mark stands in the gap where the title takes the column whole.
            space = " " * max(0, size - len(column.title) - len(mark))
            taken = max(0, len(column.title) + len(mark) - size)
            row[-1] = Span(row[-1].text[: len(row[-1].text) - taken], "")
            row += [Span(space, ""), Span(mark + column.title, role)]
        else:
            row.append(Span((column.title + mark).ljust(size), role))
        row.append(Span(" " * COLUMN_GAP, ""))
    return fit_row(tuple(row), width)


def title_at(x: int, width: int, columns: tuple[Column, ...]) -> str:
    """The title of the column that the cell `x` belongs to; empty beside them."""
    start = GUTTER
    for column, size in choose_columns(width, columns):
        if start - (COLUMN_GAP - 1 if column.right else 0) <= x < start + size:
            return column.title
        start += size + COLUMN_GAP
    return ""


def run_row(
    line: RunLine,
    width: int,
    *,
    selected: bool,
    marked: bool = False,
    columns: tuple[Column, ...] = COLUMNS,
) -> Row:
    """A run's line; the cursor and the mark stand before it."""
    row = [Span("▸" if selected else " ", "key"), Span("◆ " if marked else "  ", "train")]
    for column, size in choose_columns(width, columns):
        cell = align_cell(column.cell(line), size, right=column.right)
        row += [*cell, Span(" " * COLUMN_GAP, "")]
    fitted = fit_row(tuple(row), width)
    return tuple(Span(text, f"{role} selected") for text, role in fitted) if selected else fitted
