"""The screen that lists the runs, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen

from tui_trainer.core.chart import Row, Span
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.columns import title_row
from tui_trainer.dashboard.rows import clip_text, field, justify
from tui_trainer.dashboard.views import RunsView
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.run_table import RunTable
from tui_trainer.dashboard.widgets.text_rows import Rule, TextRows

if TYPE_CHECKING:
    from tui_trainer.dashboard.app import DashboardApp


class RunsScreen(Screen[None]):
    """A table of all runs; Enter opens one."""

    BINDINGS = bindings_of("runs")
    AUTO_FOCUS = "RunTable"

    def __init__(self, view: RunsView) -> None:
        super().__init__()
        self._view = view

    def compose(self) -> ComposeResult:
        """Heading, titles, table, footer."""
        yield TextRows(id="heading")
        yield Rule()
        yield TextRows(id="titles")
        yield RunTable()
        yield TextRows(id="no-runs")
        yield Rule()
        yield KeyBar("runs")

    def on_mount(self) -> None:
        """Show what is known; tell the time once a second."""
        self.query_one("#no-runs", TextRows).show(lambda width, height: _how_to_start(width))
        self.query_one("#titles", TextRows).show(lambda width, height: [title_row(width)])
        self._refresh()
        self.set_interval(1.0, self._tell_time)

    def show(self, view: RunsView) -> None:
        """Show these runs from now on."""
        self._view = view
        if self.is_mounted and self.is_active:
            self._refresh()

    def on_screen_resume(self) -> None:
        """Show what changed while another screen was in front."""
        self._refresh()

    def _refresh(self) -> None:
        view = self._view
        self.query_one("#heading", TextRows).show(lambda width, height: [_heading(view, width)])
        self.query_one(RunTable).show(view, self._dashboard.clock())
        is_empty = view.is_read and not view.records
        self.query_one(RunTable).display = not is_empty
        self.query_one("#titles").display = not is_empty
        self.query_one("#no-runs").display = is_empty

    def say(self, text: str, role: str = "warning") -> None:
        """Say something in the footer."""
        self.query_one(KeyBar).say(text, role)

    @property
    def _dashboard(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def _tell_time(self) -> None:
        if self.is_active:
            self.query_one(RunTable).show(self._view, self._dashboard.clock())

    def on_run_table_opened(self, message: RunTable.Opened) -> None:
        """Open the run that was chosen."""
        self._dashboard.open_run(message.record)

    def action_open(self) -> None:
        """Open the run under the cursor."""
        self.query_one(RunTable).open_selected()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.query_one(RunTable).move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screenfuls."""
        table = self.query_one(RunTable)
        table.move_by(pages * max(1, table.size.height - 1))

    def action_first(self) -> None:
        """Go to the newest run and follow it."""
        self.query_one(RunTable).move_to(0)

    def action_last(self) -> None:
        """Go to the oldest run."""
        self.query_one(RunTable).move_to(len(self._view.records) - 1)

    def action_quit(self) -> None:
        """Leave the dashboard."""
        self.app.exit()


def _heading(view: RunsView, width: int) -> Row:
    live = sum(record.state.is_live for record in view.records)
    count = len(view.records)
    numbers = f"{count} run{'' if count == 1 else 's'} · {live} live"
    folder = clip_text(sanitize(view.folder), max(10, width - len(numbers) - 14))
    return justify(
        [field(("tuitrain", "strong")), field((folder, "quiet"), rank=2)],
        [field((numbers, "text"), rank=1)],
        width,
    )


def _how_to_start(width: int) -> list[Row]:
    return [
        (),
        (Span("  There are no runs here yet.", "text"),),
        (),
        (Span("  Start one in another terminal:  ", "quiet"),),
        (Span("  tuitrain train digits", "strong"),),
        (),
        (Span("  It will appear here at once.", "quiet"),),
    ]
