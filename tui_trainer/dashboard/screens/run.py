"""The screen of one run: header, charts, events, and after its end the result."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.layout import PaneRow, plan_panes
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.panes.curves import CurveDrafts
from tui_trainer.dashboard.panes.events import event_rows
from tui_trainer.dashboard.panes.header import header_rows
from tui_trainer.dashboard.panes.memory import memory_content
from tui_trainer.dashboard.panes.result import has_result, result_rows
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.text_rows import Rule, Separator, TextRows
from tui_trainer.errors import TuitrainError
from tui_trainer.store.control import RequestName, submit

if TYPE_CHECKING:
    from tui_trainer.dashboard.app import DashboardApp

_HEADER_ROWS, _FOOTER_ROWS, _RULES = 2, 1, 2
_OPTIONS_S = 1.5


def _steering_labels(state: RunState) -> dict[str, str]:
    """What the steering keys do now; nothing where no worker is there to steer."""
    if not state.is_live:
        return {"pause": "", "checkpoint": "", "stop": ""}
    return {"pause": "continue" if state is RunState.PAUSED else "pause"}


class RunScreen(Screen[None]):
    """Watches and steers one run."""

    BINDINGS = bindings_of("run")

    def __init__(self, view: RunView) -> None:
        super().__init__()
        self._view = view
        self._options = ChartOptions()
        self._drafts = CurveDrafts()
        self._plan: tuple[PaneRow, ...] = ()
        self._result_height = 0
        self._stop_is_armed = False
        self._is_behind = False

    @property
    def record(self) -> RunRecord:
        """The run, as of the last picture."""
        return self._view.record

    def compose(self) -> ComposeResult:
        """Header and footer; the panes between them depend on the size."""
        yield TextRows(id="run-header")
        yield Vertical(id="panes")
        yield TextRows(id="result")
        yield KeyBar("run")

    async def on_mount(self) -> None:
        """Show what is known already."""
        await self._catch_up()

    async def on_resize(self) -> None:
        """Give the panes their places."""
        await self._catch_up()

    def show(self, view: RunView) -> None:
        """Show this picture of the run from now on."""
        self._view = view
        self._will_catch_up()

    def compare_anew(self) -> None:
        """Show the result, if there is one, beside the runs as they are now."""
        if has_result(self.record):
            self._will_catch_up()

    def _will_catch_up(self) -> None:
        """Draw soon, in this screen's own turn: two turns must not place panes at once."""
        if self.is_mounted and not self._is_behind:
            self._is_behind = True
            self.call_later(self._catch_up)

    async def _catch_up(self) -> None:
        self._is_behind = False
        await self._arrange()
        self._refresh()

    def say(self, text: str, role: str = "warning") -> None:
        """Say something in the footer."""
        self.query_one(KeyBar).say(text, role)

    @property
    def _dashboard(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def _result_rows(self, width: int) -> int:
        if not has_result(self.record):
            return 0
        return len(result_rows(self.record, self._dashboard.records, width))

    async def _arrange(self) -> None:
        """Mount the panes that fit, if they are not the ones that are there."""
        width, height = self.size
        result_height = self._result_rows(width)
        fixed = _HEADER_ROWS + _FOOTER_ROWS + _RULES + result_height
        plan = plan_panes(width, max(1, height - fixed))
        if (plan, result_height) == (self._plan, self._result_height) or not width:
            return
        self._plan, self._result_height = plan, result_height
        result = self.query_one("#result", TextRows)
        result.display = result_height > 0
        result.styles.height = result_height
        with self.app.batch_update():
            panes = self.query_one("#panes", Vertical)
            await panes.remove_children()
            await panes.mount(*self._pane_widgets(plan))

    def _pane_widgets(self, plan: tuple[PaneRow, ...]) -> list[Rule | Horizontal]:
        widgets: list[Rule | Horizontal] = []
        above: tuple[int, ...] = ()
        for row in plan:
            widgets.append(Rule(above, row.separators))
            widgets.append(_pane_row(row))
            above = row.separators
        widgets.append(Rule(above, ()))
        return widgets

    def _refresh(self) -> None:
        view, record = self._view, self.record
        now = self._dashboard.clock()
        self.query_one("#run-header", TextRows).show(
            lambda width, height: header_rows(record, width, now)
        )
        if has_result(record):
            others = self._dashboard.records
            self.query_one("#result", TextRows).show(
                lambda width, height: result_rows(record, others, width)
            )
        options = self._settled_options
        makers = {
            "loss": lambda: self._drafts.loss(view, options),
            "accuracy": lambda: self._drafts.accuracy(view, options),
            "lr": lambda: self._drafts.lr(view, options),
            "grad_norm": lambda: self._drafts.grad_norm(view, options),
            "memory": lambda: memory_content(view),
        }
        for pane in self.query(ChartPane):
            pane.show(makers[str(pane.id)]())
        for events_pane in self.query("#events").results(TextRows):
            events_pane.show(lambda width, height: event_rows(view.happenings, width, height))
        self.query_one(KeyBar).label(_steering_labels(record.state))

    @property
    def _settled_options(self) -> ChartOptions:
        return self._options.settled(self.record.snapshot.steps)

    def on_key(self, event: events.Key) -> None:
        """Any key but the one that is asked for calls off what a key asked to confirm."""
        if self._stop_is_armed and event.key != "s":
            self._stop_is_armed = False
            self.query_one(KeyBar).hush()
            if event.key == "escape":
                # It has answered; to leave takes another.
                event.stop()
                event.prevent_default()

    def action_back(self) -> None:
        """Back to the list of runs."""
        self._dashboard.close_run()

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self._draw_with(self._options.toggle_log())

    def action_x_axis(self) -> None:
        """Steps or time."""
        self._draw_with(self._options.toggle_x())

    def action_smooth(self, by: int) -> None:
        """More or less smoothing."""
        self._draw_with(self._settled_options.smoother(by))

    def _draw_with(self, options: ChartOptions) -> None:
        self._options = options
        self._refresh()
        # Small terminals have no room for the options above the chart.
        words = self._settled_options.words
        self.query_one(KeyBar).say(" · ".join(words), "quiet", seconds=_OPTIONS_S)

    async def action_pause(self) -> None:
        """Pause, or let a paused run go on."""
        if self.record.state is RunState.PAUSED:
            await self._ask("continue", "go on")
        else:
            await self._ask("pause", "pause")

    async def action_checkpoint(self) -> None:
        """Save a checkpoint now."""
        await self._ask("checkpoint", "save a checkpoint")

    async def action_evaluate(self) -> None:
        """Judge the weights of now."""
        await self._ask("evaluate", "validate now")

    async def action_stop(self) -> None:
        """Ask once, then stop with a checkpoint."""
        if not self._can_steer():
            return
        if not self._stop_is_armed:
            self._stop_is_armed = True
            self.say(f"press s again to stop {self._run_name} with a checkpoint; any other key: no")
            return
        self._stop_is_armed = False
        await self._ask("stop", "stop with a checkpoint")

    @property
    def _run_name(self) -> str:
        return sanitize(self.record.run, limit=20)

    def _can_steer(self) -> bool:
        """Whether a worker is there to ask; says so in the footer if not."""
        state = self.record.state
        if state.is_live and self._view.session:
            return True
        if state.is_live or state is RunState.UNKNOWN:
            self.say(f"{self._run_name} is {state.value}: no worker can be asked yet")
        else:
            self.say(f"{self._run_name} is {state.value}: there is nothing to steer")
        return False

    async def _ask(self, request: RequestName, words: str) -> None:
        if not self._can_steer():
            return
        try:
            await asyncio.to_thread(submit, Path(self.record.path), self._view.session, request)
        except (OSError, TuitrainError) as error:
            self.say(
                f"{self._run_name} could not be asked: {sanitize(str(error), limit=200)}", "error"
            )
            return
        self.say(f"asked {self._run_name} to {words}", "good")


def _pane_row(row: PaneRow) -> Horizontal:
    widgets: list[ChartPane | TextRows | Separator] = []
    for name, width in row.panes:
        if widgets:
            widgets.append(Separator())
        pane = TextRows(id=name) if name == "events" else ChartPane(id=name)
        pane.styles.width = width
        widgets.append(pane)
    holder = Horizontal(*widgets, classes="pane-row")
    holder.styles.height = row.height
    return holder
