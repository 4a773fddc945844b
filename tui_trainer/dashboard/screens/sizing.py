"""Giving panes other sizes, with keys or by dragging the lines between them."""

from __future__ import annotations

from tui_trainer.dashboard.layout import move_edge
from tui_trainer.dashboard.screens.chart_output import ChartOutputScreen
from tui_trainer.dashboard.widgets.pane_grid import PaneGrid


class SizingScreen(ChartOutputScreen):
    """A screen whose panes stand in a grid. Sizes are kept for every grid of the same shape."""

    async def on_pane_grid_edge_moved(self, message: PaneGrid.EdgeMoved) -> None:
        """A line between panes was dragged."""
        await self._move_edge(message.edge, message.by, is_column=message.is_column)

    async def action_widen(self, cells: int) -> None:
        """The chosen pane wider, or narrower."""
        await self._grow(cells, is_column=True)

    async def action_heighten(self, lines: int) -> None:
        """The chosen pane higher, or lower."""
        await self._grow(lines, is_column=False)

    async def action_even(self) -> None:
        """Every pane as large as the others again."""
        self._dashboard.remember(sizes={})
        await self.place_panes()

    async def _grow(self, by: int, *, is_column: bool) -> None:
        """Move the line behind the chosen pane, or, at the border, the one before it."""
        plan = self.query_one(PaneGrid).plan
        for number, row in enumerate(plan):
            names = [name for name, _ in row.panes]
            if self.chosen_chart in names:
                column = names.index(self.chosen_chart)
                place, count = (column, len(names)) if is_column else (number, len(plan))
                is_last = place == count - 1
                edge, way = (place - 1, -by) if is_last else (place, by)
                await self._move_edge(edge, way, is_column=is_column)

    async def _move_edge(self, edge: int, by: int, *, is_column: bool) -> None:
        plan = self.query_one(PaneGrid).plan
        moved = move_edge(plan, is_column=is_column, edge=edge, by=by)
        if moved is not None:
            shape, sizes = moved
            self._dashboard.remember(sizes={**self._dashboard.preferences.sizes, shape: sizes})
            await self.place_panes()
