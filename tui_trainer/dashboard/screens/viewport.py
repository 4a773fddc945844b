"""The keys and the mouse over charts: cursor, zoom, axes, smoothing; one for all charts."""

from __future__ import annotations

from dataclasses import replace

from textual import events

from tui_trainer.core.tables import Table
from tui_trainer.core.viewport import Range, choose, follow, pan, zoom
from tui_trainer.dashboard.options import ChartOptions, YBox, data_range
from tui_trainer.dashboard.panes.readings import row_at
from tui_trainer.dashboard.screens.dashboard_screen import DashboardScreen
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.key_bar import KeyBar

_OPTIONS_S = 1.5
_ZOOM, _PAN = 0.5, 0.25
_DOTS_PER_CELL = 2


class ViewportScreen(DashboardScreen):
    """A screen of charts that show the same part of the same x axis."""

    def __init__(self) -> None:
        super().__init__()
        self._options = ChartOptions()
        self._cursor_is_pinned = False
        self._is_behind = False

    @property
    def options(self) -> ChartOptions:
        """How curves are drawn, with nothing left open."""
        raise NotImplementedError

    @property
    def steps(self) -> Table:
        """The steps that the cursor moves over and that the x axis is made of."""
        raise NotImplementedError

    def redraw_charts(self) -> None:
        """Draw every chart anew with the options as they are now."""
        raise NotImplementedError

    async def place_panes(self) -> None:
        """Give the panes their places, and draw them."""
        raise NotImplementedError

    def place_panes_soon(self) -> None:
        """Draw in this screen's own turn: two turns must not place panes at once."""
        if self.is_mounted and not self._is_behind:
            self._is_behind = True
            # What `call_later` does, but that one looks at the function's signature every time.
            self.post_message(events.Callback(callback=self._place_panes_now))

    async def _place_panes_now(self) -> None:
        self._is_behind = False
        await self.place_panes()

    async def on_resize(self) -> None:
        """Give the panes their places anew."""
        await self.place_panes()

    def recall_options(self) -> None:
        """Draw as the person chose to the last time."""
        likes = self._dashboard.preferences
        log = likes.log is None or likes.log
        self._options = ChartOptions(log, likes.smoothing, likes.x_kind or "step")

    def keep_options(self) -> None:
        """Remember scale, axis and smoothing, for one run and for several."""
        options = self._options
        self._dashboard.remember(
            log=options.log, smoothing=options.smoothing, x_kind=options.x_kind
        )

    def draw_with(self, options: ChartOptions, *, tell: bool = True) -> None:
        """Draw with these options from now on, and say in the footer what they are."""
        self._options = options
        self.redraw_charts()
        if tell:
            # Small terminals have no room for the options above the chart.
            words = " · ".join(self.options.words)
            self.query_one(KeyBar).say(words, "quiet", seconds=_OPTIONS_S)

    @property
    def _data(self) -> Range:
        return data_range(self.steps, self._options.x_kind)

    @property
    def _pane(self) -> ChartPane | None:
        """A chart that was drawn, to measure by."""
        for pane in self.query(ChartPane):
            if pane.plot.x_axis is not None:
                return pane
        return None

    def _shown(self) -> Range:
        axis = self._pane.plot.x_axis if self._pane is not None else None
        return (axis.low, axis.high) if axis is not None else self._data

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self.draw_with(replace(self._options.toggle_log(), y_box=None))
        self.keep_options()

    def action_x_axis(self) -> None:
        """Over steps, epochs, training time, or the clock."""
        self.draw_with(self._options.next_x(self.steps))
        self.keep_options()

    def action_smooth(self, by: int) -> None:
        """More or less smoothing."""
        self.draw_with(self.options.smoother(by))
        self.keep_options()

    def action_zoom(self, way: int) -> None:
        """In or out, around the cursor, or at the end where there is none."""
        shown, cursor = self._shown(), self._options.cursor
        around = cursor if cursor is not None and shown[0] <= cursor <= shown[1] else self._data[1]
        self._zoom(_ZOOM if way > 0 else 1 / _ZOOM, around)

    def _zoom(self, factor: float, around: float) -> None:
        viewport = zoom(self._shown(), self._data, factor, around)
        self.draw_with(replace(self._options, viewport=viewport))

    def action_pan(self, way: int) -> None:
        """To the left or the right."""
        self._pan(_PAN * way)

    def _pan(self, share: float) -> None:
        if self._options.viewport is not None:
            viewport = pan(self._shown(), self._data, share)
            self.draw_with(replace(self._options, viewport=viewport))

    def action_whole(self) -> None:
        """Everything there is, without a cursor."""
        self._cursor_is_pinned = False
        self.draw_with(replace(self._options, viewport=None, cursor=None, y_box=None))

    def action_follow(self) -> None:
        """Where the data end, from now on."""
        viewport = follow(self._options.viewport, self._data)
        self.draw_with(replace(self._options, viewport=viewport, cursor=None))

    def action_cursor(self, dots: int) -> None:
        """Move the cursor by so many dots of the chart, by one step at least."""
        pane = self._pane
        if pane is None:
            return
        x, shown = self.steps.x(self._options.x_kind), self._shown()
        cursor = self._options.cursor
        self._cursor_is_pinned = True
        if cursor is None or not shown[0] <= cursor <= shown[1]:
            self._point(min(shown[1], self._data[1]))
            return
        row = row_at(x, cursor)
        if row is None:
            return
        aim = cursor + dots * (shown[1] - shown[0]) / (pane.columns * _DOTS_PER_CELL)
        reached = row_at(x, aim)
        if reached is None or (reached - row) * dots <= 0:
            reached = min(max(0, row + (1 if dots > 0 else -1)), len(x) - 1)
        self._point(float(x[reached]))

    def _point(self, x: float | None) -> None:
        if x is not None:
            places = self.steps.x(self._options.x_kind)
            row = row_at(places, x)
            x = None if row is None else float(places[row])
        if x != self._options.cursor:
            self.draw_with(replace(self._options, cursor=x), tell=False)

    def on_chart_pane_pointed(self, message: ChartPane.Pointed) -> None:
        """The cursor goes with the mouse until a click or a key leaves it somewhere."""
        if message.is_click:
            self._cursor_is_pinned = True
        if message.is_click or not self._cursor_is_pinned:
            self._point(message.x)

    def on_chart_pane_zoomed(self, message: ChartPane.Zoomed) -> None:
        """The wheel."""
        self._zoom(message.factor, message.x)

    def on_chart_pane_panned(self, message: ChartPane.Panned) -> None:
        """A drag."""
        self._pan(message.share)

    def on_chart_pane_boxed(self, message: ChartPane.Boxed) -> None:
        """A part was drawn around."""
        viewport = choose(*message.x, self._data)
        low, high = sorted(message.y)
        box = YBox(message.pane.chart, low, high) if high > low else None
        self._cursor_is_pinned = False
        self.draw_with(replace(self._options, viewport=viewport, y_box=box, cursor=None))

    def on_chart_pane_reset(self, message: ChartPane.Reset) -> None:
        """A double click."""
        self.action_whole()
