"""Panes in rows and columns with lines between them, which the mouse can move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from textual import events
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget

from tui_trainer.core.canvas import Row, Span
from tui_trainer.dashboard.layout import PaneRow, rule_text
from tui_trainer.dashboard.widgets.lines import Lines


class PaneGrid(Vertical):
    """Holds the panes of a plan; they are made anew only where other panes are to be shown."""

    @dataclass
    class EdgeMoved(Message):
        """The line after a column, or under a row, was dragged by so many cells."""

        is_column: bool
        edge: int
        by: int

    def __init__(self, make_pane: Callable[[str], Widget], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make_pane = make_pane
        self._plan: tuple[PaneRow, ...] = ()
        self._names: list[list[str]] = []
        # Kept here: a row that was just mounted may not know its panes as its children yet.
        self._panes: list[list[Widget]] = []
        self._edges: list[Rule] = []
        self._holders: list[Horizontal] = []
        # Panes are taken away and made while others may be asked for.
        self._placing = asyncio.Lock()

    @property
    def plan(self) -> tuple[PaneRow, ...]:
        """What is shown where."""
        return self._plan

    @property
    def panes(self) -> list[Widget]:
        """The panes in sight, row by row."""
        return [pane for row in self._panes for pane in row]

    async def show_plan(self, plan: tuple[PaneRow, ...]) -> None:
        """Show the panes of this plan from now on."""
        async with self._placing:
            if plan != self._plan:
                await self._place(plan)

    async def _place(self, plan: tuple[PaneRow, ...]) -> None:
        names = [[name for name, _ in row.panes] for row in plan]
        with self.app.batch_update():
            if names != self._names:
                # None while they are replaced, which may be interrupted.
                self._names = []
                await self.remove_children()
                self._make_rows(plan)
                self._give_places(plan)
                await self.mount(*self._children())
                self._names = names
            else:
                self._give_places(plan)
            self._plan = plan

    def _make_rows(self, plan: tuple[PaneRow, ...]) -> None:
        self._panes = [[self._make_pane(name) for name, _ in row.panes] for row in plan]
        self._edges = [*(Rule(edge=number - 1) for number in range(len(plan))), Rule()]
        self._holders = [_side_by_side(panes) for panes in self._panes]

    def _children(self) -> list[Widget]:
        pairs = zip(self._edges, self._holders, strict=False)
        return [*(widget for pair in pairs for widget in pair), self._edges[-1]]

    def _give_places(self, plan: tuple[PaneRow, ...]) -> None:
        above: tuple[int, ...] = ()
        for row, rule, holder, panes in zip(
            plan, self._edges[:-1], self._holders, self._panes, strict=True
        ):
            rule.join(above, row.separators)
            above = row.separators
            holder.styles.height = row.height
            for pane, (_, width) in zip(panes, row.panes, strict=True):
                pane.styles.width = width
        self._edges[-1].join(above, ())


def _side_by_side(panes: list[Widget]) -> Horizontal:
    widgets: list[Widget] = []
    for column, pane in enumerate(panes):
        widgets += [Separator(column - 1), pane] if column else [pane]
    return Horizontal(*widgets, classes="pane-row")


class _Edge(Lines):
    """A line that can be dragged, where it stands between panes."""

    is_column: bool

    def __init__(self, edge: int, *, classes: str) -> None:
        """`edge` counts the columns or rows before it, from 0; it is below 0 at the border."""
        super().__init__(classes=classes)
        self._edge = edge
        self._dragged_at: int | None = None

    def _place_of(self, event: events.MouseEvent) -> int:
        return event.screen_x if self.is_column else event.screen_y

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the line."""
        if self._edge >= 0:
            self._dragged_at = self._place_of(event)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say by how much it was moved."""
        if self._dragged_at is None:
            return
        place = self._place_of(event)
        if place != self._dragged_at:
            by, self._dragged_at = place - self._dragged_at, place
            self.post_message(PaneGrid.EdgeMoved(self.is_column, self._edge, by))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of the line."""
        self.release_mouse()
        self._dragged_at = None


class Rule(_Edge):
    """A horizontal line between panes, joined to the vertical ones above and below."""

    is_column = False

    def __init__(self, *, edge: int = -1) -> None:
        super().__init__(edge, classes="rule")
        self._above: tuple[int, ...] = ()
        self._below: tuple[int, ...] = ()

    def join(self, above: tuple[int, ...], below: tuple[int, ...]) -> None:
        """Join it to the vertical lines at these columns."""
        self._above, self._below = above, below
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The line."""
        return ((Span(rule_text(width, self._above, self._below), "line"),),)


class Separator(_Edge):
    """A vertical line between panes."""

    is_column = True

    def __init__(self, edge: int = -1) -> None:
        super().__init__(edge, classes="separator")

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The line."""
        return tuple((Span("│", "line"),) for _ in range(height))
