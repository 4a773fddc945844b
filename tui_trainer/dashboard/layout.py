"""Which panes a terminal of some size shows, and where."""

from __future__ import annotations

from dataclasses import dataclass

PANES = ("loss", "accuracy", "memory", "events", "lr", "grad_norm")
"""Every pane, the one given up last first: with less room the last of these go."""
EXTRA_PANES = ("lr", "grad_norm")

_MIN_WIDTH, _MIN_HEIGHT = 40, 8
_TWO_COLUMNS, _THREE_COLUMNS = 82, 180
_ROOMY_HEIGHT = 14
_ORDER = {
    1: ("loss", "accuracy", "memory", "events", "lr", "grad_norm"),
    2: ("loss", "accuracy", "lr", "grad_norm", "memory", "events"),
    3: ("loss", "accuracy", "memory", "lr", "grad_norm", "events"),
}


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


def plan_panes(width: int, height: int) -> tuple[PaneRow, ...]:
    """Rows of panes for `height` lines, counting one line between rows."""
    columns = 3 if width >= _THREE_COLUMNS else 2 if width >= _TWO_COLUMNS else 1
    most_rows = max(1, (height + 1) // (_MIN_HEIGHT + 1))
    roomy_rows = max(1, (height + 1) // (_ROOMY_HEIGHT + 1))
    names = [name for name in PANES if name not in EXTRA_PANES]
    if columns * roomy_rows >= len(PANES):
        names = list(PANES)
    names = names[: columns * most_rows]
    ordered = [name for name in _ORDER[columns] if name in names]
    rows = [ordered[start : start + columns] for start in range(0, len(ordered), columns)]
    heights = _share(height - len(rows) + 1, len(rows))
    return tuple(
        PaneRow(row_height, _widths(row, width, columns))
        for row, row_height in zip(rows, heights, strict=True)
    )


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
