"""The lines of a form, with a cursor, scrolled so that it is in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from tui_trainer.core.canvas import Row
from tui_trainer.core.form_entries import Draft, Entry
from tui_trainer.dashboard.panes.form import FormLine, first_line, form_lines
from tui_trainer.dashboard.widgets.lines import Lines


class FormPane(Lines):
    """Shows the entries it was given last."""

    @dataclass
    class Pointed(Message):
        """An entry was clicked; `again` if the cursor was on it already."""

        number: int
        again: bool

    def __init__(self) -> None:
        super().__init__(id="form")
        self._draft: Draft | None = None
        self._entries: Sequence[Entry] = ()
        self._cursor = 0
        self._reference = ""
        self._top = 0
        self._lines: list[FormLine] = []

    def show(self, draft: Draft, entries: Sequence[Entry], cursor: int, reference: str) -> None:
        """Show these entries from now on; `reference` names the column of what would be else."""
        self._draft, self._entries = draft, entries
        self._cursor, self._reference = cursor, reference
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The lines around the cursor."""
        if self._draft is None:
            return ()
        self._lines = form_lines(self._draft, self._entries, self._cursor, width, self._reference)
        self._top = first_line(self._lines, self._cursor, self._top, height)
        return tuple(line.row for line in self._lines[self._top : self._top + height])

    def on_click(self, event: events.Click) -> None:
        """Tell which entry was meant."""
        number = self._top + event.y
        if number < len(self._lines):
            entry = self._lines[number].entry
            if entry is not None:
                self.post_message(self.Pointed(entry, entry == self._cursor))
