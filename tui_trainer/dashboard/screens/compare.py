"""The screen of several runs in one: charts, legend, and the table of what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from textual import events
from textual.app import ComposeResult

from tui_trainer.core.canvas import Row
from tui_trainer.core.chart_drawing import LABEL_WIDTH
from tui_trainer.core.compare import ComparedRun, compare_runs, group_by_configuration
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.tables import Table
from tui_trainer.core.viewport import Range
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.compare_layout import ComparePlan, plan_compare
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.mishaps import draft_safely
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.palette import run_roles
from tui_trainer.dashboard.panes.compare import (
    LETTERS,
    ChartPlace,
    CompareDrafts,
    Member,
    joint_range,
    member_spans,
    options_for,
)
from tui_trainer.dashboard.panes.compare_legend import (
    compare_heading,
    legend_rows,
    visible_rows,
)
from tui_trainer.dashboard.panes.compare_metrics import LOSS, Metric, MetricList
from tui_trainer.dashboard.panes.differences import RunHead, difference_rows
from tui_trainer.dashboard.rows import justify
from tui_trainer.dashboard.screens.viewport import ViewportScreen
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.pane_grid import PaneGrid, Rule
from tui_trainer.dashboard.widgets.text_page import TextPage
from tui_trainer.dashboard.widgets.text_rows import TextRows

_OPTIONS_S = 1.5
_PAGE_HEADING_ROWS = 1


class CompareScreen(ViewportScreen):
    """Watches several runs at once."""

    PLACE = "compare"
    BINDINGS = bindings_of("compare", "charts")
    AUTO_FOCUS = ""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        super().__init__()
        roles = run_roles([record.snapshot.uuid or record.path for record in records])
        self._members = tuple(
            Member(letter, role, RunView(record))
            for letter, role, record in zip(LETTERS, roles, records, strict=False)
        )
        self._met = MetricList()
        self._metrics: tuple[Metric, ...] = (LOSS,)
        self._metric = LOSS
        self._drafts = CompareDrafts()
        self._plan: ComparePlan | None = None
        self._has_table = False
        self._has_bands = False
        self._first_line = 0
        self._spans: tuple[tuple[StepSpan, ...], ...] = ((),) * len(self._members)

    def compose(self) -> ComposeResult:
        """Header and footer; what stands between them depends on the size."""
        yield TextRows(id="heading")
        yield PaneGrid(ChartPane, id="panes")
        yield TextRows(id="legend")
        yield TextPage("differences", id="differences")
        yield Rule()
        yield KeyBar("compare")

    async def on_mount(self) -> None:
        """Show what is known already, as the person likes it."""
        self.recall_options()
        await self.place_panes()

    @property
    def paths(self) -> tuple[str, ...]:
        """The folders of the runs that are compared."""
        return tuple(member.view.record.path for member in self._members)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What can be compared, as far as any of the runs has it."""
        return self._metrics

    def show_run(self, view: RunView) -> None:
        """Show this picture from now on if it is of one of the runs."""
        if view.record.path in self.paths:
            self.show(view)

    def show(self, view: RunView) -> None:
        """Show this picture of one of the runs from now on."""
        self._members = tuple(
            replace(member, view=view) if member.view.record.path == view.record.path else member
            for member in self._members
        )
        self.place_panes_soon()

    async def place_panes(self) -> None:
        """Place and draw the charts of the metrics that are met by now."""
        self._metrics = self._met.update(member.view for member in self._members)
        await self._arrange()
        self._refresh()

    async def _arrange(self) -> None:
        """Mount the charts that fit, if they are not the ones that are there."""
        width, height = self.size
        if not width:
            return
        metrics, lines, is_table = len(self._metrics), self._lower_lines(width), self._has_table
        plan = plan_compare(width, height, metrics=metrics, lines=lines, is_table=is_table)
        legend, table = self.query_one("#legend"), self.query_one("#differences")
        legend.display, table.display = not is_table, is_table
        if plan == self._plan:
            return
        self._plan = plan
        legend.styles.height = table.styles.height = plan.lower_height
        await self.query_one(PaneGrid).show_plan(plan.charts)

    def _lower_lines(self, width: int) -> int:
        if self._has_table:
            return len(self._difference_rows(width - 1)) + _PAGE_HEADING_ROWS
        return len(self._groups) + 1

    @property
    def _compared(self) -> list[ComparedRun]:
        return [member.compared for member in self._members]

    @property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """Which members make one curve each: the seeds of a configuration, or one alone."""
        if self._has_bands and self._options.x_kind != "wall":
            return group_by_configuration(self._compared)
        return tuple((index,) for index in range(len(self._members)))

    def _difference_rows(self, width: int) -> Sequence[Row]:
        heads = [RunHead(member.letter, member.title, member.role) for member in self._members]
        return difference_rows(compare_runs(self._compared), heads, width)

    def _look_closer(self) -> None:
        """Have every step of what is zoomed into read, where a run is so long that it is merged."""
        spans = member_spans(self._members, self._options, cursor_counts=self._cursor_is_pinned)
        for member, wanted, before in zip(self._members, spans, self._spans, strict=True):
            if wanted != before:
                self._dashboard.look_closer(member.view.record, wanted)
        self._spans = spans

    def _refresh(self) -> None:
        members, groups, options = self._members, self._groups, self.options
        widths = self._plan.widths if self._plan is not None else ()
        panes = self.query(ChartPane)
        for pane, metric, width in zip(panes, self._shown_metrics, widths, strict=False):
            place = ChartPlace(pane.chart, max(1, width - LABEL_WIDTH - 1))
            draft = partial(
                self._drafts.chart, members, metric, options, groups=groups, place=place
            )
            pane.show(draft_safely(metric.title, draft))
        self._look_closer()
        left, right = compare_heading(members, groups, options, self.steps)
        self.query_one("#heading", TextRows).show(
            lambda width, height: [justify(left, right, width)]
        )
        if self._has_table:
            self.query_one(TextPage).show(self._difference_rows)
            return
        legend = [self._drafts.curve(members, group, self._metric, options) for group in groups]
        first, metric = self._first_line, self._metric
        self.query_one("#legend", TextRows).show(
            lambda width, height: visible_rows(
                legend_rows(legend, metric, options.cursor, width), height, first, width
            )
        )

    @property
    def _shown_metrics(self) -> tuple[Metric, ...]:
        """The metric that was chosen, then those after it, then from the first on."""
        metrics = self._metrics
        start = metrics.index(self._metric)
        return (*metrics[start:], *metrics[:start])

    @property
    def options(self) -> ChartOptions:
        """How curves are drawn, with nothing left open."""
        return options_for(self._members, self._options)

    @property
    def steps(self) -> Table:
        """The steps of the longest run."""
        return max((member.view.series.steps for member in self._members), key=len)

    @property
    def _data(self) -> Range:
        return joint_range(self._members, self._options.x_kind)

    def redraw_charts(self) -> None:
        """Draw every chart and the legend anew."""
        self._refresh()
        if self._has_bands:
            # On another axis there may be more lines in the legend.
            self.place_panes_soon()

    def action_back(self) -> None:
        """Back to the list of runs."""
        self._dashboard.close_compare()

    def action_metric(self) -> None:
        """The next metric that any of the runs has."""
        metrics = self._metrics
        self._metric = metrics[(metrics.index(self._metric) + 1) % len(metrics)]
        self._options = replace(self._options, y_box=None)
        self.place_panes_soon()
        self.query_one(KeyBar).say(self._metric.title, "quiet", seconds=_OPTIONS_S)

    def action_table(self) -> None:
        """The table of differences in place of the legend, or the other way round."""
        self._has_table = not self._has_table
        self.place_panes_soon()

    def action_bands(self) -> None:
        """Seeds of one configuration as their mean in a band, or each by itself."""
        if not self._has_bands and self._options.x_kind == "wall":
            self.say("seeds have no mean over the clock: x chooses another axis")
            return
        self._has_bands = not self._has_bands
        if self._has_bands and len(self._groups) == len(self._members):
            self._has_bands = False
            self.say("no two of these runs differ in their seed alone")
            return
        self.place_panes_soon()

    def action_scroll(self, lines: int) -> None:
        """Move what stands under the charts, where it is longer than its place."""
        if self._has_table:
            self.query_one(TextPage).scroll_lines(lines)
            return
        hidden = len(self._groups) + 1 - self.query_one("#legend").size.height
        self._first_line = max(0, min(self._first_line + lines, hidden))
        self._refresh()

    def action_page(self, pages: int) -> None:
        """Move it by screenfuls."""
        if self._has_table:
            self.query_one(TextPage).page(pages)
        else:
            self.action_scroll(pages * max(1, self.query_one("#legend").size.height - 2))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the legend too."""
        if event.widget is self.query_one("#legend"):
            self.action_scroll(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the legend too."""
        if event.widget is self.query_one("#legend"):
            self.action_scroll(-1)
