"""Which panes a terminal of some size shows, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EVENTS = "events"
FIRST_PANES = 4
"""So many panes are shown even where each has little room."""

_MIN_WIDTH, _MIN_HEIGHT = 40, 8
_TWO_COLUMNS, _THREE_COLUMNS, _FOUR_COLUMNS = 82, 180, 240
_ROOMY_HEIGHT = 14
_LAST = ("memory", "load", "host_memory", "temperature", "power", EVENTS)


@dataclass(frozen=True)
class PaneRow:
    """Panes side by side: their names and widths, a separator of one cell between them."""

    height: int
    panes: tuple[tuple[str, int], ...]

    @property
    def separators(self) -> tuple[int, ...]:
        """The columns of the separators."""
        edges, edge = [], 0
        for _, width in self.panes[:-1]:
            edge += width
            edges.append(edge)
            edge += 1
        return tuple(edges)


def plan_panes(
    width: int, height: int, names: Sequence[str], *, dense: bool = False
) -> tuple[PaneRow, ...]:
    """Rows of panes for `height` lines, counting one line between rows.

    Of `names`, given in the order in which they are kept, as many are shown as there is room for;
    charts of training stand before those of resources, and events last. A `dense` plan shows as
    many as can be read at all.
    """
    most_columns = _columns_of(width)
    most_rows = max(1, (height + 1) // (_MIN_HEIGHT + 1))
    roomy_rows = max(1, (height + 1) // (_ROOMY_HEIGHT + 1))
    count = max(min(FIRST_PANES, most_columns * most_rows), most_columns * roomy_rows)
    count = most_columns * most_rows if dense else count
    shown = list(names[: max(1, count)])
    columns = max(1, min(most_columns, len(shown)))
    if len(shown) == FIRST_PANES and most_rows > 1:
        columns = min(columns, 2)
    ordered = sorted(shown, key=lambda name: _LAST.index(name) if name in _LAST else -1)
    rows = [ordered[start : start + columns] for start in range(0, len(ordered), columns)]
    heights = _share(height - len(rows) + 1, len(rows))
    return tuple(
        PaneRow(row_height, _widths(row, width, columns))
        for row, row_height in zip(rows, heights, strict=True)
    )


def _columns_of(width: int) -> int:
    if width >= _FOUR_COLUMNS:
        return 4
    return 3 if width >= _THREE_COLUMNS else 2 if width >= _TWO_COLUMNS else 1


def _widths(names: list[str], width: int, columns: int) -> tuple[tuple[str, int], ...]:
    """Widths that put the separators of all rows under one another."""
    sizes = _share(width - columns + 1, columns)
    if len(names) < columns:
        spare = columns - len(names)
        sizes = [*sizes[: len(names) - 1], sum(sizes[len(names) - 1 :]) + spare]
    return tuple(zip(names, sizes, strict=True))


def _share(total: int, parts: int) -> list[int]:
    """`total` in whole parts, the first ones larger by one where it does not divide."""
    whole, rest = divmod(max(parts, total), parts)
    return [whole + (index < rest) for index in range(parts)]


def rule_text(width: int, above: tuple[int, ...] = (), below: tuple[int, ...] = ()) -> str:
    """A horizontal line that joins the separators above and below it."""
    line = []
    for column in range(width):
        joins = (column in above, column in below)
        line.append({(True, True): "┼", (True, False): "┴", (False, True): "┬"}.get(joins, "─"))
    return "".join(line)
