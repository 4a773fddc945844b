"""The table of runs: a cursor that stays on its run, and marks on those that are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textual import events
from textual.geometry import Region, Size
from textual.message import Message

from tui_trainer.core.canvas import Row
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.tables import FloatArray
from tui_trainer.dashboard.columns import (
    COLUMNS,
    NEWEST_FIRST,
    Column,
    RunLine,
    Sort,
    age_text,
    loss_curve,
)
from tui_trainer.dashboard.mishaps import draw_safely
from tui_trainer.dashboard.table_rows import GUTTER, run_row, title_at, title_row
from tui_trainer.dashboard.widgets.lines import Lines
from tui_trainer.dashboard.widgets.scrolled_lines import ScrolledLines

SCROLL_BAR = 1
_MOST_KEPT = 4


@dataclass(frozen=True)
class Listing:
    """The runs that the table shows, in order, and how it shows them."""

    records: tuple[RunRecord, ...] = ()
    losses: Mapping[str, FloatArray] = field(default_factory=dict)
    marked: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = COLUMNS
    sort: Sort = NEWEST_FIRST


class RunTable(ScrolledLines):
    """One line per run; the cursor stays on its run when others come and go.

    At the top of runs that are listed newest first it follows the newest, and stays at the top
    when they are sorted anew.
    """

    @dataclass
    class Opened(Message):
        """The run under the cursor is to be opened."""

        record: RunRecord

    @dataclass
    class Marked(Message):
        """A run is to be marked, or is not to be any more."""

        record: RunRecord

    @dataclass
    class Moved(Message):
        """The cursor is on another line."""

    def __init__(self) -> None:
        super().__init__()
        self._listing = Listing()
        self._now = 0.0
        self._cursor = 0
        self._is_held = False
        self._curves: dict[str, tuple[FloatArray, str]] = {}
        self._made: dict[str, tuple[object, Row]] = {}

    @property
    def selected(self) -> RunRecord | None:
        """The run under the cursor."""
        records = self._listing.records
        return records[self._cursor] if self._cursor < len(records) else None

    @property
    def follows(self) -> bool:
        """Whether the cursor goes to whatever run is the newest."""
        return not self._is_held and self._listing.sort == NEWEST_FIRST

    @property
    def lines_width(self) -> int:
        """Cells of a line, beside which a scroll bar stands."""
        return max(0, self.size.width - SCROLL_BAR)

    def show(self, listing: Listing, now: float) -> None:
        """Show these runs, the cursor on the run it was on, or on the newest while it follows."""
        selected, cursor = self.selected, self._cursor
        is_sorted_anew = listing.sort != self._listing.sort
        was_in_sight = self._is_in_sight(cursor)
        self._listing, self._now = listing, now
        names = [record.run for record in listing.records]
        is_at_top = self.follows or (is_sorted_anew and not self._is_held)
        if is_at_top or selected is None:
            self._cursor = 0
        elif selected.run in names:
            self._cursor = names.index(selected.run)
        else:
            self._cursor = max(0, min(self._cursor, len(names) - 1))
        self.virtual_size = Size(self.size.width, len(names))
        if is_sorted_anew or (was_in_sight and not self._is_in_sight(self._cursor)):
            self._scroll_to_cursor()
        self.redraw()

    def move_to(self, index: int) -> None:
        """Put the cursor on a line, as near as there is one; on the first it follows the newest."""
        last = max(0, len(self._listing.records) - 1)
        self._cursor = min(max(0, index), last)
        self._is_held = self._cursor != 0
        self._scroll_to_cursor()
        self.redraw()
        self.post_message(self.Moved())

    def move_by(self, lines: int) -> None:
        """Move the cursor down by so many lines, or up."""
        self.move_to(self._cursor + lines)

    def open_selected(self) -> None:
        """Ask for the run under the cursor to be opened."""
        record = self.selected
        if record is not None:
            self.post_message(self.Opened(record))

    def redraw(self) -> None:
        """Draw anew, and forget the lines of runs that are long out of sight."""
        super().redraw()
        if len(self._made) > _MOST_KEPT * max(1, self.size.height):
            self._made.clear()

    def _is_in_sight(self, index: int) -> bool:
        return 0 <= index - self.top < self.size.height

    def _scroll_to_cursor(self) -> None:
        self.scroll_to_region(Region(0, self._cursor, 1, 1), animate=False, force=True)

    def line_in_sight(self, y: int) -> Row:
        """The line of a run, made anew only where something of it is different."""
        index, listing = self.top + y, self._listing
        if index >= len(listing.records):
            return ()
        record = listing.records[index]
        line = RunLine(record, self._curve(record.run), age_text(record, self._now))
        selected, marked = index == self._cursor, record.run in listing.marked
        width = self.lines_width
        columns = listing.columns
        made_of = (line, width, selected, marked, columns)
        made = self._made.get(record.run)
        if made is None or made[0] != made_of:
            (row,) = draw_safely(
                lambda: [run_row(line, width, selected=selected, marked=marked, columns=columns)]
            )
            made = self._made[record.run] = (made_of, row)
        return made[1]

    def _curve(self, run: str) -> str:
        """The run's loss as a line of text, drawn anew only where it has grown."""
        losses = self._listing.losses.get(run)
        if losses is None:
            return ""
        known = self._curves.get(run)
        if known is None or known[0] is not losses:
            known = self._curves[run] = (losses, loss_curve(losses))
        return known[1]

    def on_click(self, event: events.Click) -> None:
        """One click moves the cursor, a second opens the run; before the line it marks the run."""
        index = self.top + event.y
        if index >= len(self._listing.records):
            return
        if event.x < GUTTER:
            self.post_message(self.Marked(self._listing.records[index]))
        elif event.chain > 1 and index == self._cursor:
            self.open_selected()
        else:
            self.move_to(index)


class RunTitles(Lines):
    """The titles over the table; a click on one sorts by it."""

    @dataclass
    class Clicked(Message):
        """The runs are to be sorted by this column."""

        title: str

    def __init__(self) -> None:
        super().__init__(id="titles")
        self._listing = Listing()

    def show(self, listing: Listing) -> None:
        """Show the titles of these columns."""
        self._listing = listing
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The titles."""
        lines_width = max(0, width - SCROLL_BAR)
        return (title_row(lines_width, self._listing.columns, self._listing.sort),)

    def on_click(self, event: events.Click) -> None:
        """Sort by what was clicked."""
        title = title_at(event.x, self.size.width - SCROLL_BAR, self._listing.columns)
        if title:
            self.post_message(self.Clicked(title))
