"""A pane with a heading and a chart, which the mouse points at, zooms, and moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10

from textual import events
from textual.message import Message

from tui_trainer.core.axis import Axis
from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.chart import Plot, plot_chart
from tui_trainer.core.chart_drawing import LABEL_WIDTH
from tui_trainer.core.chart_spec import ChartSpec
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.rows import Field, justify, total_width
from tui_trainer.dashboard.widgets.lines import Lines

_EMPTY = ChartContent((), (), ChartSpec(curves=()))
_LEFT_BUTTON, _RIGHT_BUTTON = 1, 3
_DRAG_CELLS = 2
_ROOM_FOR_TWO = 10
_FOCUS = Span("▸", "key")


class ChartPane(Lines):
    """Shows the content it was given last, and tells what the mouse asks of it.

    Places are given in units of the axes.
    """

    @dataclass
    class Pointed(Message):
        """The mouse points at an x, or, with None, at none any more."""

        x: float | None
        is_click: bool = False

        def can_replace(self, message: Message) -> bool:
            """Where the mouse was before matters to nobody."""
            return isinstance(message, ChartPane.Pointed) and not message.is_click

    @dataclass
    class Zoomed(Message):
        """The wheel was turned over an x."""

        factor: float
        x: float

    @dataclass
    class Panned(Message):
        """What is shown was dragged by a share of its width."""

        share: float

    @dataclass
    class Boxed(Message):
        """A part was chosen: two corners."""

        pane: ChartPane
        x: tuple[float, float]
        y: tuple[float, float]

    @dataclass
    class Reset(Message):
        """A double click: everything is to be shown again."""

    @dataclass
    class Chosen(Message):
        """The pane was clicked at."""

        pane: ChartPane

    def __init__(self, chart: str = "", *, id: str | None = None) -> None:
        """`chart` names what is shown here."""
        super().__init__(id=id)
        self.chart = chart
        self._content = _EMPTY
        self._plot = Plot(())
        self._is_chosen = False
        self._drag: tuple[int, int, int] | None = None
        self._has_dragged = False
        self._box: tuple[float, float, float, float] | None = None

    @property
    def plot(self) -> Plot:
        """What was drawn last."""
        return self._plot

    @property
    def content(self) -> ChartContent:
        """What is shown."""
        return self._content

    @property
    def columns(self) -> int:
        """Cells of the plot from left to right."""
        return max(1, self.size.width - 1 - LABEL_WIDTH)

    def show(self, content: ChartContent, *, is_chosen: bool = False) -> None:
        """Show this from now on; a chosen pane is the one that keys are for."""
        self._content, self._is_chosen = content, is_chosen
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """Heading, legend if there is one, chart."""
        content = self._content
        heading = justify(content.left, content.right, width)
        rows = [(_FOCUS, *_without_edge(heading)) if self._is_chosen else heading]
        rows += _legend_rows(content.legend, width, 2 if height >= _ROOM_FOR_TWO else 1)
        spec = replace(content.spec, box=self._box) if self._box else content.spec
        self._plot = plot_chart(spec, width - 1, max(1, height - len(rows)), self._plot)
        return (*rows, *self._plot.rows)

    def _x_at(self, cell: int) -> float | None:
        axis = self._plot.x_axis
        if axis is None:
            return None
        share = (cell - LABEL_WIDTH + 0.5) / self.columns
        return axis.low + min(1.0, max(0.0, share)) * (axis.high - axis.low)

    def _y_at(self, line: int) -> float | None:
        axis = self._plot.y_axis
        if axis is None:
            return None
        lines = len(self._plot.rows) - 1
        first = self.size.height - len(self._plot.rows)
        return _value_at(axis, 1 - min(1.0, max(0.0, (line - first + 0.5) / max(1, lines))))

    def _wheel(self, event: events.MouseScrollUp | events.MouseScrollDown, factor: float) -> None:
        x = self._x_at(event.x)
        event.stop()
        if event.shift or event.ctrl:
            self.post_message(self.Panned(-0.1 if factor < 1 else 0.1))
        elif x is not None:
            self.post_message(self.Zoomed(factor, x))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in; with shift or ctrl move to the left."""
        self._wheel(event, 0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out; with shift or ctrl move to the right."""
        self._wheel(event, 1.25)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin to draw a box, or, with the right button or ctrl, to move what is shown."""
        self.post_message(self.Chosen(self))
        self._has_dragged = False
        button = _RIGHT_BUTTON if event.ctrl else event.button
        if button in (_LEFT_BUTTON, _RIGHT_BUTTON):
            self._drag = (button, event.x, event.y)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Point, or go on with the box or the move that was begun."""
        x = self._x_at(event.x)
        if self._drag is None:
            if x is not None:
                self.post_message(self.Pointed(x))
            return
        button, from_x, from_y = self._drag
        if button == _RIGHT_BUTTON:
            if event.x != from_x:
                self._has_dragged = True
                self.post_message(self.Panned((from_x - event.x) / self.columns))
                self._drag = (button, event.x, event.y)
            return
        corners = (self._x_at(from_x), self._y_at(from_y), x, self._y_at(event.y))
        if max(abs(event.x - from_x), abs(event.y - from_y)) >= _DRAG_CELLS:
            x0, y0, x1, y1 = corners
            if x0 is not None and y0 is not None and x1 is not None and y1 is not None:
                self._box, self._has_dragged = (x0, y0, x1, y1), True
                self.redraw()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """What was boxed is chosen."""
        self.release_mouse()
        box, self._drag, self._box = self._box, None, None
        if box is not None:
            self.redraw()
            self.post_message(self.Boxed(self, (box[0], box[2]), (box[1], box[3])))

    def on_click(self, event: events.Click) -> None:
        """A click leaves the cursor where it is; two show everything again."""
        # What was pressed and let go over the same pane is a click too, whatever was dragged there.
        if self._has_dragged:
            return
        x = self._x_at(event.x)
        if event.chain > 1:
            self.post_message(self.Reset())
        elif x is not None and event.button == _LEFT_BUTTON:
            self.post_message(self.Pointed(x, is_click=True))

    def on_leave(self, event: events.Leave) -> None:
        """The mouse points at nothing here any more."""
        self.post_message(self.Pointed(None))


def _legend_rows(legend: Sequence[Field], width: int, most: int) -> list[Row]:
    """The legend in as few lines as it takes; in the last of them the least needed are left out."""
    rows: list[Row] = []
    left = list(legend)
    while left and len(rows) < most:
        count = len(left)
        while len(rows) < most - 1 and count > 1 and total_width(left[:count]) > width:
            count -= 1
        rows.append(justify(left[:count], (), width))
        left = left[count:]
    return rows


def _value_at(axis: Axis, share: float) -> float:
    if axis.is_log:
        low, high = log10(axis.low), log10(axis.high)
        return float(10 ** (low + share * (high - low)))
    return axis.low + share * (axis.high - axis.low)


def _without_edge(row: Row) -> Row:
    """The row without the space at its left end."""
    first = row[0]
    return (Span(first.text[1:], first.role), *row[1:])
