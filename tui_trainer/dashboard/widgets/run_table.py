"""The table of runs: a cursor, newest first, following the newest until it is moved."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_trainer.core.chart import Row
from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.columns import RunLine, run_row
from tui_trainer.dashboard.views import RunsView
from tui_trainer.dashboard.widgets.lines import changed_regions, strip_of


class RunTable(ScrollView, can_focus=True):
    """One line per run; the cursor stays on its run when others come and go."""

    ALLOW_SELECT = False

    @dataclass
    class Opened(Message):
        """The run under the cursor is to be opened."""

        record: RunRecord

    def __init__(self) -> None:
        super().__init__()
        self._view = RunsView("", is_read=False)
        self._now = 0.0
        self._cursor = 0
        self._follows = True
        self._rows: list[Row] = []
        self._drawn_at: tuple[Size, int] | None = None

    @property
    def selected(self) -> RunRecord | None:
        """The run under the cursor."""
        records = self._view.records
        return records[self._cursor] if self._cursor < len(records) else None

    def show(self, view: RunsView, now: float) -> None:
        """Show these runs, the cursor on the run it was on, or on the newest while it follows."""
        selected = self.selected
        self._view, self._now = view, now
        names = [record.run for record in view.records]
        if self._follows or selected is None:
            self._cursor = 0
        elif selected.run in names:
            self._cursor = names.index(selected.run)
        else:
            self._cursor = max(0, min(self._cursor, len(names) - 1))
        self.virtual_size = Size(self.size.width, len(names))
        self.redraw()

    def move_to(self, index: int) -> None:
        """Put the cursor on a line, as near as there is one; on the first it follows the newest."""
        last = max(0, len(self._view.records) - 1)
        self._cursor = min(max(0, index), last)
        self._follows = self._cursor == 0
        self.scroll_to_region(Region(0, self._cursor, 1, 1), animate=False, force=True)
        self.redraw()

    def move_by(self, lines: int) -> None:
        """Move the cursor down by so many lines, or up."""
        self.move_to(self._cursor + lines)

    def open_selected(self) -> None:
        """Ask for the run under the cursor to be opened."""
        record = self.selected
        if record is not None:
            self.post_message(self.Opened(record))

    def redraw(self) -> None:
        """Send the terminal the lines in sight that are different now."""
        size, top = self.size, round(self.scroll_offset.y)
        rows = [self._row(top + y) for y in range(size.height)]
        if self._drawn_at != (size, top):
            self._drawn_at = (size, top)
            self.refresh()
        else:
            changed = changed_regions(self._rows, rows, size.width)
            if changed:
                self.refresh(*changed)
        self._rows = rows

    def render_line(self, y: int) -> Strip:
        """Line `y` of what is in sight."""
        row = self._row(round(self.scroll_offset.y) + y)
        return strip_of(row, self.size.width, self.rich_style)

    def _row(self, index: int) -> Row:
        if index >= len(self._view.records):
            return ()
        record = self._view.records[index]
        line = RunLine(record, self._view.losses.get(record.run), self._now)
        return run_row(line, self.size.width, selected=index == self._cursor)

    def on_click(self, event: events.Click) -> None:
        """One click moves the cursor, a second on the same run opens it."""
        index = round(self.scroll_offset.y) + event.y
        if index >= len(self._view.records):
            return
        if event.chain > 1 and index == self._cursor:
            self.open_selected()
        else:
            self.move_to(index)
