"""Which panes a terminal of some size shows, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Sizes = tuple[Sequence[float], Sequence[float]]
"""How columns and rows share a grid, in proportion."""
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
    width: int,
    height: int,
    names: Sequence[str],
    *,
    dense: bool = False,
    sizes: Mapping[str, Sizes] | None = None,
) -> tuple[PaneRow, ...]:
    """Rows of panes for `height` lines, counting one line between rows.

    Of `names`, given in the order in which they are kept, as many are shown as there is room for;
    charts of training stand before those of resources, and events last. A `dense` plan shows as
    many as can be read at all. `sizes` are what a person gave to grids, by their shapes.
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
    wide, high = (sizes or {}).get(shape_name(columns, len(rows)), ((), ()))
    heights = share_out(height - len(rows) + 1, len(rows), high, _MIN_HEIGHT)
    widths = share_out(width - columns + 1, columns, wide, _MIN_WIDTH)
    return tuple(
        PaneRow(row_height, _side_by_side(row, widths))
        for row, row_height in zip(rows, heights, strict=True)
    )


def _columns_of(width: int) -> int:
    if width >= _FOUR_COLUMNS:
        return 4
    return 3 if width >= _THREE_COLUMNS else 2 if width >= _TWO_COLUMNS else 1


def _side_by_side(names: list[str], widths: list[int]) -> tuple[tuple[str, int], ...]:
    """The panes of a row, the last of a short one as wide as all that is left."""
    spare = len(widths) - len(names)
    last = sum(widths[len(names) - 1 :]) + spare
    return tuple(zip(names, [*widths[: len(names) - 1], last], strict=True))


def shape_name(columns: int, rows: int) -> str:
    """What a grid of so many columns and rows is called where its sizes are kept."""
    return f"{columns}x{rows}"


def move_edge(
    plan: Sequence[PaneRow], *, is_column: bool, edge: int, by: int
) -> tuple[str, Sizes] | None:
    """The sizes after the line behind column or row `edge` was moved, and the grid's shape.

    None where it cannot be moved that far.
    """
    widest = max(plan, key=lambda row: len(row.panes))
    widths = [width for _, width in widest.panes]
    heights = [row.height for row in plan]
    moved, least = (widths, _MIN_WIDTH) if is_column else (heights, _MIN_HEIGHT)
    if not 0 <= edge < len(moved) - 1:
        return None
    moved[edge] += by
    moved[edge + 1] -= by
    if min(moved[edge], moved[edge + 1]) < least:
        return None
    return shape_name(len(widths), len(heights)), (tuple(widths), tuple(heights))


def share_out(total: int, parts: int, weights: Sequence[float] = (), least: int = 1) -> list[int]:
    """`total` in whole parts: by `weights` where each is `least` at least, else in equal ones."""
    total = max(parts, total)
    if len(weights) == parts and sum(weights) > 0:
        ends = [round(total * sum(weights[: end + 1]) / sum(weights)) for end in range(parts)]
        sizes = [end - start for start, end in pairwise((0, *ends))]
        if min(sizes) >= least:
            return sizes
    whole, rest = divmod(total, parts)
    return [whole + (index < rest) for index in range(parts)]


def rule_text(width: int, above: tuple[int, ...] = (), below: tuple[int, ...] = ()) -> str:
    """A horizontal line that joins the separators above and below it."""
    line = []
    for column in range(width):
        joins = (column in above, column in below)
        line.append({(True, True): "┼", (True, False): "┴", (False, True): "┬"}.get(joins, "─"))
    return "".join(line)
