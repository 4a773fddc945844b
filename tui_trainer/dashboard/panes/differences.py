"""The table of what tells compared runs apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from rich.cells import cell_len

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.compare import Difference, Section
from tui_trainer.dashboard.rows import COLUMN_GAP, align_cell, clip_text, fit_row, pad_text

_KEY_CELLS = 26
_LEAST_VALUE_CELLS, _READABLE_VALUE_CELLS, _MOST_VALUE_CELLS = 9, 14, 40
_BEST = "*"
_SAME = "no difference"


@dataclass(frozen=True)
class RunHead:
    """What stands above the values of a run: its letter, its name and its colour."""

    letter: str
    run: str
    role: str


def difference_rows(
    differences: Sequence[Difference], heads: Sequence[RunHead], width: int
) -> tuple[Row, ...]:
    """The differences by section, a column for each run, the best of a row marked `*`.

    Runs that find no room beside the others follow under them, so that all are reached by
    scrolling down.
    """
    keys = max((cell_len(difference.key) for difference in differences), default=0)
    key_cells = min(keys, _KEY_CELLS, max(6, width // 3))
    room = max(1, width - key_cells - 2 - COLUMN_GAP)
    sizes = _squeeze(_value_sizes(differences, heads, room - COLUMN_GAP), room)
    rows: list[Row] = []
    for block in _blocks(sizes, room):
        if rows:
            rows.append(())
        columns = [(index, sizes[index]) for index in block]
        rows += _block_rows(differences, heads, columns, key_cells, width)
    return tuple(rows)


def _value_sizes(
    differences: Sequence[Difference], heads: Sequence[RunHead], room: int
) -> list[int]:
    """The width of each run's column, its mark included."""
    sizes = []
    for index, head in enumerate(heads):
        texts = [f"{head.letter} {head.run}", *(row.values[index] for row in differences)]
        widest = max(map(cell_len, texts)) + len(_BEST)
        sizes.append(max(1, min(max(widest, _LEAST_VALUE_CELLS), _MOST_VALUE_CELLS, room)))
    return sizes


def _squeeze(sizes: Sequence[int], room: int) -> list[int]:
    """The widest columns narrowed until all stand side by side, if that leaves them readable."""
    squeezed = list(sizes)
    while sum(squeezed) + COLUMN_GAP * len(squeezed) > room:
        widest = max(squeezed, default=0)
        if widest <= _READABLE_VALUE_CELLS:
            return list(sizes)
        squeezed[squeezed.index(widest)] -= 1
    return squeezed


def _blocks(sizes: Sequence[int], room: int) -> list[list[int]]:
    """The runs in as few blocks as hold them side by side."""
    blocks: list[list[int]] = []
    left = 0
    for index, size in enumerate(sizes):
        if not blocks or size + COLUMN_GAP > left:
            blocks.append([])
            left = room
        blocks[-1].append(index)
        left -= size + COLUMN_GAP
    return blocks


def _block_rows(
    differences: Sequence[Difference],
    heads: Sequence[RunHead],
    columns: Sequence[tuple[int, int]],
    key_cells: int,
    width: int,
) -> list[Row]:
    margin = Span(" " * (key_cells + 2 + COLUMN_GAP), "")
    line: list[Span] = [margin]
    for index, size in columns:
        head = heads[index]
        cell = (Span(f"{head.letter} ", head.role), Span(head.run, "strong"))
        line += [*align_cell(cell, size), Span(" " * COLUMN_GAP, "")]
    rows = [fit_row(tuple(line), width)]
    for section in get_args(Section):
        found = [difference for difference in differences if difference.section == section]
        note = "" if found else f"   {_SAME}"
        title = clip_text(f" {section}", width)
        rows.append(fit_row((Span(title, "quiet"), Span(note, "faint")), width))
        rows += [_value_row(difference, columns, key_cells, width) for difference in found]
    return rows


def _value_row(
    difference: Difference, columns: Sequence[tuple[int, int]], key_cells: int, width: int
) -> Row:
    key = pad_text(difference.key, key_cells)
    line: list[Span] = [Span(f"  {key}{' ' * COLUMN_GAP}", "text")]
    for index, size in columns:
        is_best = index in difference.best
        text = clip_text(difference.values[index], size - len(_BEST))
        cell = (Span(text + (_BEST if is_best else ""), "strong" if is_best else "value"),)
        line += [*align_cell(cell, size), Span(" " * COLUMN_GAP, "")]
    return fit_row(tuple(line), width)
