"""The screen that lists the runs, live: filtered, sorted, marked."""

from __future__ import annotations

from textual.app import ComposeResult

from tui_trainer.core.query import Query, parse_query
from tui_trainer.core.query_keys import metric_names
from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.columns import NEWEST_FIRST, Sort, columns_for
from tui_trainer.dashboard.panes.runs import RunsHeading, heading_row, no_match_rows, no_run_rows
from tui_trainer.dashboard.run_filter import RunFilter
from tui_trainer.dashboard.run_order import (
    choice_of,
    sort_as_chosen,
    sort_by,
    sort_by_next,
    sort_records,
)
from tui_trainer.dashboard.screens.dashboard_screen import DashboardScreen
from tui_trainer.dashboard.table_rows import choose_columns
from tui_trainer.dashboard.views import RunsView
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.pane_grid import Rule
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.dashboard.widgets.run_table import Listing, RunTable, RunTitles
from tui_trainer.dashboard.widgets.text_rows import TextRows
from tui_trainer.errors import UsageError

_FILTER_HINT = "mnist tag:x acc>0.99 state:live"


class RunsScreen(DashboardScreen):
    """A table of all runs; Enter opens one."""

    BINDINGS = bindings_of("runs")
    AUTO_FOCUS = "RunTable"

    def __init__(self, view: RunsView) -> None:
        super().__init__()
        self._view = view
        self._query = self._query_before = Query()
        self._sort = NEWEST_FIRST
        self._marked: frozenset[str] = frozenset()
        self._filter = RunFilter()
        self._columns = columns_for(view.records)
        self._listing = Listing()

    def compose(self) -> ComposeResult:
        """Heading, titles, table, footer."""
        yield TextRows(id="heading")
        yield Rule()
        yield RunTitles()
        yield RunTable()
        yield TextRows(id="no-runs")
        yield Rule()
        yield KeyBar("runs")

    def on_mount(self) -> None:
        """Show what is known, in the order that was chosen last; tell the time once a second."""
        chosen = self._dashboard.preferences
        self._sort = sort_as_chosen(chosen.sort, chosen.reverse)
        if self._dashboard.read_only:
            self.query_one(KeyBar).label({"new": "", "duplicate": "", "resume": ""})
        self._refresh()
        self.set_interval(1.0, self._tell_time)

    def show(self, view: RunsView) -> None:
        """Show these runs from now on."""
        self._view = view
        self._columns = columns_for(view.records)
        self._marked &= {record.run for record in view.records}
        if self.is_mounted and self.is_active:
            self._refresh()

    def on_screen_resume(self) -> None:
        """Show what changed while another screen was in front."""
        self._refresh()

    @property
    def _table(self) -> RunTable:
        return self.query_one(RunTable)

    def _refresh(self) -> None:
        view = self._view
        self._listing = Listing(
            records=sort_records(self._matching(self._query), self._sort),
            losses=view.losses,
            marked=self._marked,
            columns=self._columns,
            sort=self._sort,
        )
        titles = self.query_one(RunTitles)
        self._table.show(self._listing, self._dashboard.clock())
        titles.show(self._listing)
        self._refresh_heading()
        is_empty = view.is_read and not self._listing.records
        self._table.display = titles.display = not is_empty
        text = self._query.text if view.records else ""
        empty = self.query_one("#no-runs", TextRows)
        empty.display = is_empty
        empty.show(lambda width, _: no_match_rows(text, width) if text else no_run_rows())

    def _refresh_heading(self) -> None:
        records = self._view.records
        heading = RunsHeading(
            folder=self._view.folder,
            total=len(records),
            shown=len(self._listing.records),
            live=sum(record.state.is_live for record in records),
            marked=len(self._marked),
            filter_text=self._query.text,
            sort=self._sort,
            follows=self._table.follows and bool(records),
        )
        self.query_one("#heading", TextRows).show(lambda width, _: [heading_row(heading, width)])

    def _tell_time(self) -> None:
        if self.is_active:
            self._refresh()

    def _matching(self, query: Query) -> list[RunRecord]:
        """The runs that fit; settings that the query needs are read behind its back."""
        unread = self._filter.unread(query, self._view.records)
        if unread:
            self._dashboard.start_work(self._read_settings(unread))
        return self._filter.matching(query, self._view.records, self._dashboard.clock())

    async def _read_settings(self, folders: list[str]) -> None:
        await self._filter.read(folders)
        for prompt in self.query(Prompt):
            self._try_filter(prompt)
        self._refresh()

    def on_run_table_opened(self, message: RunTable.Opened) -> None:
        """Open the run that was chosen."""
        self._dashboard.open_run(message.record)

    def on_run_table_marked(self, message: RunTable.Marked) -> None:
        """Mark a run, or not any more."""
        self._marked ^= {message.record.run}
        self._refresh()

    def on_run_table_moved(self) -> None:
        """Say whether the newest run is followed."""
        self._refresh_heading()

    def on_run_titles_clicked(self, message: RunTitles.Clicked) -> None:
        """Sort by a column, or the other way round."""
        self._sort_by(sort_by(message.title, self._sort))

    def action_open(self) -> None:
        """Open the run under the cursor."""
        self._table.open_selected()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self._table.move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screenfuls."""
        self._table.move_by(pages * max(1, self._table.size.height - 1))

    def action_first(self) -> None:
        """Go to the newest run and follow it."""
        self._sort_by(NEWEST_FIRST)
        self._table.move_to(0)

    def action_jump(self, line: int) -> None:
        """Go to a line of the list, counted from its end where it is below 0."""
        self._table.move_to(line if line >= 0 else len(self._listing.records) + line)

    def action_mark(self) -> None:
        """Mark the run under the cursor, and go on to the next."""
        record = self._table.selected
        if record is not None:
            self._marked ^= {record.run}
            self._refresh()
            self._table.move_by(1)

    def action_compare(self) -> None:
        """Open the runs that are marked side by side."""
        chosen = [record for record in self._view.records if record.run in self._marked]
        if not chosen and self._table.selected is not None:
            chosen = [self._table.selected]
        if not chosen:
            self.say("there is no run to compare")
            return
        self._dashboard.open_compare(chosen)

    def action_sort(self) -> None:
        """Sort by the next column."""
        shown = choose_columns(self._table.lines_width, self._columns)
        self._sort_by(sort_by_next([column for column, _ in shown], self._sort))

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._sort_by(sort_by(self._sort.title, self._sort))

    def _sort_by(self, sort: Sort) -> None:
        if sort != self._sort:
            self._sort = sort
            title, reverse = choice_of(sort)
            self._dashboard.remember(sort=title, reverse=reverse)
            self._refresh()

    async def action_filter(self) -> None:
        """Ask for a filter in the footer's place."""
        if not self.query(Prompt):
            self._query_before = self._query
            await self.mount(Prompt("filter", self._query.text, _FILTER_HINT))

    def on_prompt_changed(self, message: Prompt.Changed) -> None:
        """Narrow the list while the filter is typed."""
        self._try_filter(message.prompt)

    def _try_filter(self, prompt: Prompt) -> Query | None:
        """Filter by what stands in the prompt, where it is a filter that some run fits."""
        try:
            query = parse_query(prompt.value, metric_names(self._view.records))
        except UsageError as error:
            prompt.complain(f"{error.message} {error.hint}", "quiet")
            return None
        if self._matching(query):
            prompt.complain("")
            self._filter_by(query)
        else:
            prompt.complain("no run fits", "quiet")
        return query

    def on_prompt_submitted(self, message: Prompt.Submitted) -> None:
        """Keep the filter."""
        query = self._try_filter(message.prompt)
        if query is None:
            message.prompt.complain(message.prompt.complaint)
            return
        message.prompt.close()
        self._filter_by(query)

    def on_prompt_cancelled(self, message: Prompt.Cancelled) -> None:
        """Back to the filter as it was."""
        message.prompt.close()
        self._filter_by(self._query_before)

    def _filter_by(self, query: Query) -> None:
        if query.text != self._query.text:
            self._query = query
            self._refresh()

    def action_clear(self) -> None:
        """Show all runs again; where they are, take the marks off."""
        if self._query.text:
            self._filter_by(Query())
        elif self._marked:
            self._marked = frozenset()
            self._refresh()

    def action_new(self) -> None:
        """Fill in what a new run is to be."""
        self._dashboard.open_form(None)

    def action_duplicate(self) -> None:
        """Fill in what is to be different from the run under the cursor."""
        record = self._selected("duplicate")
        if record is not None:
            self._dashboard.open_form(record)

    def action_resume(self) -> None:
        """Let the run under the cursor go on."""
        record = self._selected("resume")
        if record is not None:
            self._dashboard.resume_run(record)

    def _selected(self, verb: str) -> RunRecord | None:
        record = self._table.selected
        if record is None:
            self.say(f"there is no run to {verb}")
        return record

    def action_quit(self) -> None:
        """Leave the dashboard."""
        self.app.exit()
