"""Lines of text with roles: fitting them to a width, field by field, never through a number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

from tui_trainer.core.canvas import Row, Span

COLUMN_GAP = 2
"""Cells between two columns of a table."""
_ELLIPSIS = "…"
_SPACE = re.compile(r"(?<!\d) +| +(?!\d{3}(?!\d))")  # not the gap within 12 345


@dataclass(frozen=True)
class Field:
    """Spans that are shown whole or not at all; those with the highest `rank` go first.

    A `tight` field stands one space after the one before it, whatever the gap between others.
    """

    spans: Row
    rank: int = 0
    tight: bool = False

    @property
    def width(self) -> int:
        """Cells taken."""
        return row_width(self.spans)


def field(*parts: tuple[str, str], rank: int = 0, tight: bool = False) -> Field:
    """A field from (text, role) pairs."""
    return Field(tuple(Span(text, role) for text, role in parts), rank, tight)


def row_width(row: Row) -> int:
    """Cells that the row takes on a terminal."""
    return sum(cell_len(span.text) for span in row)


def clip_text(text: str, width: int) -> str:
    """The text in at most `width` cells, ending in an ellipsis where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + _ELLIPSIS if width > 0 else ""


def pad_text(text: str, width: int) -> str:
    """The text in exactly `width` cells, flush left."""
    return set_cell_size(clip_text(text, width), width)


def fit_row(row: Row, width: int) -> Row:
    """The row in exactly `width` cells: cut or filled up at its end."""
    fitted: list[Span] = []
    left = width
    for span in row:
        size = cell_len(span.text)
        if size > left:
            fitted.append(Span(set_cell_size(span.text, left), span.role))
            left = 0
            break
        fitted.append(span)
        left -= size
    if left:
        fitted.append(Span(" " * left, ""))
    return tuple(fitted)


def align_cell(cell: Row, width: int, *, right: bool = False) -> Row:
    """The cell of a table in exactly `width` cells; text too long for it ends in an ellipsis."""
    fitted: list[Span] = []
    left = width
    for text, role in cell:
        fitted.append(Span(clip_text(text, left), role))
        left -= row_width((fitted[-1],))
    space = (Span(" " * left, ""),) if left > 0 else ()
    return (*space, *fitted) if right else (*fitted, *space)


def note_row(text: str, width: int, role: str = "faint") -> Row:
    """A line that says something about what stands around it, or why nothing does."""
    return (Span(clip_text(f" {text}", width), role),)


def justify(left: Sequence[Field], right: Sequence[Field], width: int, *, gap: int = 2) -> Row:
    """One line: some fields flush left, others flush right, as many of them as fit."""
    shown = [*left, *right]
    while shown and total_width(shown, gap) > width:
        shown.remove(max(reversed(shown), key=lambda item: item.rank))
    left_row = _join((item for item in left if item in shown), gap)
    right_row = _join((item for item in right if item in shown), gap)
    space = width - row_width(left_row) - row_width(right_row)
    return fit_row((*left_row, Span(" " * max(0, space), ""), *right_row), width)


def total_width(fields: Sequence[Field], gap: int = 2) -> int:
    """Cells that the fields take in one line."""
    return sum(item.width for item in fields) + gap * (len(fields) - 1) + 2


def _join(fields: Iterable[Field], gap: int) -> Row:
    """Fields with a gap between them and one space at the line's edge."""
    row: list[Span] = []
    for item in fields:
        space = 1 if item.tight else gap
        row += [Span(" " * space, ""), *item.spans] if row else item.spans
    return (Span(" ", ""), *row, Span(" ", "")) if row else ()


def wrap_text(text: str, width: int, most: int) -> list[str]:
    """The text in lines of at most `width` cells, `most` of them at most.

    Parts set apart by two spaces are kept whole where they fit; else it is broken at spaces, but
    not within a number.
    """
    if cell_len(text) <= width:
        return [text]
    gap = "  " if all(cell_len(part) <= width for part in text.split("  ")) else " "
    lines: list[str] = []
    line = ""
    for part in filter(None, text.split(gap) if gap == "  " else _SPACE.split(text)):
        joined = f"{line}{gap}{part}" if line else part
        if cell_len(joined) > width and line:
            lines.append(line)
            joined = part
        line = joined
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], gap.join(lines[most - 1 :])]
    return [clip_text(line, width) for line in lines]


def break_line(line: str, width: int) -> list[str]:
    """The line in parts of at most `width` cells, broken anywhere."""
    return [line] if cell_len(line) <= width else chop_cells(line, max(2, width))
