"""How the compare screen shares a terminal between its charts and what stands under them."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.dashboard.layout import PaneRow, share_out

_FIXED_ROWS = 5  # header, footer and the lines between
_TWO_COLUMNS, _TWO_ROWS = 160, 34
_LEAST_CHART, _ROOMY_CHART = 6, 12


@dataclass(frozen=True)
class ComparePlan:
    """Rows of charts, the panes in them numbered from 0, and the lines left under them."""

    charts: tuple[PaneRow, ...]
    lower_height: int

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each chart."""
        return tuple(width for row in self.charts for _, width in row.panes)


def plan_compare(
    width: int, height: int, *, metrics: int, lines: int, is_table: bool
) -> ComparePlan:
    """Charts of so many `metrics` at most over `lines` of legend or, longer, of a table.

    The legend gives way to the chart; a table takes all but what a chart needs.
    """
    room = max(2, height - _FIXED_ROWS)
    least = min(_ROOMY_CHART, max(_LEAST_CHART, room // 3)) if is_table else room - room // 2
    lower = max(1, min(lines, room - least))
    charts = max(1, room - lower)
    columns = 2 if width >= _TWO_COLUMNS and metrics > 1 else 1
    rows = 2 if charts >= _TWO_ROWS and metrics > columns else 1
    names = [str(number) for number in range(min(metrics, columns * rows))]
    parts = [names[start : start + columns] for start in range(0, len(names), columns)]
    heights = share_out(charts - len(parts) + 1, len(parts))
    return ComparePlan(
        tuple(
            PaneRow(size, _side_by_side(part, width))
            for part, size in zip(parts, heights, strict=True)
        ),
        lower,
    )


def _side_by_side(names: list[str], width: int) -> tuple[tuple[str, int], ...]:
    sizes = share_out(width - len(names) + 1, len(names))
    return tuple(zip(names, sizes, strict=True))
