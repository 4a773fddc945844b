"""The screen of one run: header, charts, pages of text, and after its end the result."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.timer import Timer

from tui_trainer.core.tables import Table
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.layout import EVENTS, plan_panes
from tui_trainer.dashboard.mishaps import draft_safely
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.pace import Pace
from tui_trainer.dashboard.pane_order import next_chart, pane_names
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.panes.curves import CurveDrafts
from tui_trainer.dashboard.panes.events import event_rows
from tui_trainer.dashboard.panes.header import header_rows
from tui_trainer.dashboard.panes.memory import RESOURCE_CHARTS, resource_content
from tui_trainer.dashboard.panes.result import has_result, result_rows
from tui_trainer.dashboard.screens.sizing import SizingScreen
from tui_trainer.dashboard.spans import wanted_spans
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.pane_grid import PaneGrid
from tui_trainer.dashboard.widgets.run_pages import RunPages, is_text_page
from tui_trainer.dashboard.widgets.text_rows import TextRows

_HEADER_ROWS, _FOOTER_ROWS, _RULES = 2, 1, 2
_OVERVIEW, _CHARTS = 1, 2
_CHART_SHARE, _MOST_WAIT_S = 0.006, 1.0
"""How much of one core charts may take while nobody touches a key, and how late they may be.

Charts that wait are drawn with later news, and sent with them as one picture.
"""


class RunScreen(SizingScreen):
    """Watches and steers one run."""

    PLACE = "run"
    BINDINGS = bindings_of("run", "charts")
    AUTO_FOCUS = ""

    def __init__(self, view: RunView) -> None:
        super().__init__(view)
        self._drafts = CurveDrafts()
        self._chart_pace = Pace(_CHART_SHARE, _MOST_WAIT_S)
        self._waiting_charts: Timer | None = None
        self._has_only_news = False
        self._page = _OVERVIEW
        self._chosen = ""
        self._is_enlarged = False
        self._places: dict[str, str] = {}
        self._spans: tuple[StepSpan, ...] = ()

    def compose(self) -> ComposeResult:
        """Header and footer; the panes between them depend on the size."""
        yield TextRows(id="run-header")
        yield PaneGrid(_make_pane, id="panes")
        yield RunPages(id="pages")
        yield TextRows(id="result")
        yield KeyBar("run")

    async def on_mount(self) -> None:
        """Show what is known already, as the person likes it."""
        self.recall_options()
        likes = self._dashboard.preferences
        self._places = dict(likes.metrics)
        self._page = likes.page if likes.page in (_OVERVIEW, _CHARTS) else _OVERVIEW
        await self.place_panes()

    def show_run(self, view: RunView) -> None:
        """Show this picture from now on if it is of the same run."""
        if view.record.path == self.record.path:
            self.show(view)

    def show(self, view: RunView) -> None:
        """Show this picture of the run from now on."""
        self._view = view
        self._has_only_news = True
        self.place_panes_soon()

    def compare_anew(self) -> None:
        """Show the result, if there is one, beside the runs as they are now."""
        if has_result(self.record):
            self.place_panes_soon()

    async def place_panes(self) -> None:
        """Give the panes their places, and draw them."""
        plan = self.query_one(PaneGrid).plan
        only_news, self._has_only_news = self._has_only_news, False
        await self._arrange()
        self._refresh()
        if only_news and self.query_one(PaneGrid).plan == plan:
            self._draw_charts_in_turn()
        else:
            self.redraw_charts()

    def _draw_charts_in_turn(self) -> None:
        """Draw the charts now or, where that would take too much of the time, with later news."""
        if not self._chart_pace.wait_s:
            self.redraw_charts()
        elif self._waiting_charts is None:
            # Should no news come any more.
            self._waiting_charts = self.set_timer(_MOST_WAIT_S, self.redraw_charts)

    @property
    def _pages(self) -> RunPages:
        return self.query_one(RunPages)

    def _result_rows(self, width: int) -> int:
        if not has_result(self.record):
            return 0
        return len(result_rows(self.record, self._dashboard.records, width))

    def _shown_names(self) -> tuple[str, ...]:
        """The panes of this page, the one given up last first."""
        names = pane_names(self._view, self._places)
        if self._is_enlarged and self._chosen in names:
            return (self._chosen,)
        return names if self._page == _OVERVIEW else tuple(n for n in names if n != EVENTS)

    async def _arrange(self) -> None:
        """Mount the panes that fit, if they are not the ones that are there."""
        width, height = self.size
        result_height = self._result_rows(width)
        result = self.query_one("#result", TextRows)
        result.display = result_height > 0
        result.styles.height = result_height
        self.query_one(PaneGrid).display = not is_text_page(self._page)
        self._pages.turn_to(self._page)
        fixed = _HEADER_ROWS + _FOOTER_ROWS + _RULES + result_height
        dense = self._page == _CHARTS
        sizes = self._dashboard.preferences.sizes
        names, room = self._shown_names(), max(1, height - fixed)
        if width:
            plan = plan_panes(width, room, names, dense=dense, sizes=sizes)
            await self.query_one(PaneGrid).show_plan(plan)

    def _refresh(self) -> None:
        view, record = self._view, self.record
        now = self._dashboard.clock()
        reason = self.read_only_reason
        self.query_one("#run-header", TextRows).show(
            lambda width, height: header_rows(
                record, width, now, findings=view.findings, is_read_only=bool(reason)
            )
        )
        if has_result(record):
            others = self._dashboard.records
            self.query_one("#result", TextRows).show(
                lambda width, height: result_rows(record, others, width)
            )
        happenings = view.happenings
        for pane in self.query_one(PaneGrid).panes:
            if isinstance(pane, TextRows):
                pane.show(lambda width, height: event_rows(happenings, width, height), happenings)
        self._pages.show(view)
        self.query_one(KeyBar).label(self.steering_labels)

    def redraw_charts(self) -> None:
        """Draw every chart that is in sight."""
        if self._waiting_charts is not None:
            self._waiting_charts.stop()
            self._waiting_charts = None
        if is_text_page(self._page):
            return
        with self._chart_pace.measured():
            for pane in self._chart_panes():
                pane.show(self._drafted(pane.chart), is_chosen=pane.chart == self._chosen)
        spans = wanted_spans(self._view.series, self._options, cursor_counts=self._cursor_is_pinned)
        if spans != self._spans:
            self._spans = spans
            self._dashboard.look_closer(self.record, spans)

    def _drafted(self, chart: str) -> ChartContent:
        return draft_safely(chart, lambda: self._content(chart))

    def _content(self, chart: str) -> ChartContent:
        if chart in RESOURCE_CHARTS:
            return resource_content(chart, self._view, self.options)
        return self._drafts.draft(chart, self._view, self.options)

    @property
    def options(self) -> ChartOptions:
        """How curves are drawn; smoothing that was not chosen goes by the run's length."""
        return self._options.settled(self.record.snapshot.steps)

    @property
    def steps(self) -> Table:
        """The steps of the run."""
        return self._view.series.steps

    def action_back(self) -> None:
        """Back to the list of runs."""
        self._dashboard.close_run()

    async def action_escape(self) -> None:
        """Out of what was gone into last: the cursor, a large pane, a page; then the run."""
        if self._options.cursor is not None:
            self._cursor_is_pinned = False
            self.draw_with(replace(self._options, cursor=None), tell=False)
        elif self._is_enlarged:
            await self.action_enlarge()
        elif is_text_page(self._page):
            await self.action_page(_OVERVIEW)
        else:
            self.action_back()

    async def action_page(self, page: int) -> None:
        """Show another page."""
        self._page, self._is_enlarged = page, False
        self._dashboard.remember(page=page)
        await self.place_panes()

    def _chart_panes(self) -> list[ChartPane]:
        return [pane for pane in self.query_one(PaneGrid).panes if isinstance(pane, ChartPane)]

    def _charts(self) -> list[str]:
        return [pane.chart for pane in self._chart_panes()]

    @property
    def chosen_chart(self) -> str:
        """The chart that was chosen, or the first; empty where there is none."""
        charts = self._charts()
        return self._chosen if self._chosen in charts else next(iter(charts), "")

    def chart_contents(self) -> dict[str, ChartContent]:
        """What the charts in sight show, by their names."""
        return {chart: self._drafted(chart) for chart in self._charts()}

    def action_choose(self, way: int) -> None:
        """The next pane is the one that keys are for."""
        charts = self._charts()
        if charts:
            at = charts.index(self._chosen) + way if self._chosen in charts else min(0, way)
            self._chosen = charts[at % len(charts)]
            self.redraw_charts()

    def on_chart_pane_chosen(self, message: ChartPane.Chosen) -> None:
        """A click chooses a pane."""
        self._chosen = message.pane.chart
        self.redraw_charts()

    async def action_enlarge(self) -> None:
        """One chart alone, or all again."""
        self._chosen = self.chosen_chart
        self._is_enlarged = bool(self._chosen) and not self._is_enlarged
        await self.place_panes()

    async def action_metric(self) -> None:
        """Another metric in the place of the pane that was chosen."""
        if not self.chosen_chart:
            return
        names, self._chosen = next_chart(
            self._view, pane_names(self._view, self._places), self._charts(), self.chosen_chart
        )
        self._places = {str(place): name for place, name in enumerate(names)}
        self._dashboard.remember(metrics=self._places)
        await self.place_panes()

    def action_scroll(self, lines: int) -> None:
        """Further down or up in a page of text."""
        if self._pages.scrolled is not None:
            self._pages.scrolled.scroll_lines(lines)

    def action_scroll_page(self, pages: int) -> None:
        """A screenful further down or up in a page of text."""
        if self._pages.scrolled is not None:
            self._pages.scrolled.page(pages)

    def action_start(self) -> None:
        """The beginning of a page of text."""
        if self._pages.scrolled is not None:
            self._pages.scrolled.to_start()

    def action_end(self) -> None:
        """The end of a page of text."""
        if self._pages.scrolled is not None:
            self._pages.scrolled.to_end()


def _make_pane(name: str) -> ChartPane | TextRows:
    return TextRows(id=EVENTS) if name == EVENTS else ChartPane(name)
