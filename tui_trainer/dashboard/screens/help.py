"""Every key, and what it does: the binding table as a page."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import Screen

from tui_trainer.core.chart import Row, Span
from tui_trainer.dashboard.bindings import Place, bindings_of, keys_of
from tui_trainer.dashboard.rows import field, justify, pad_text
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.text_rows import Rule, TextRows

_TITLES: dict[Place, str] = {
    "run": "in a run",
    "runs": "in the list of runs",
    "everywhere": "everywhere",
}
_READING = (
    ("○ ◇", "validation and test, on the axis of training"),
    ("┊", "a checkpoint, an epoch, a resume or something you asked for"),
    ("×", "a value that is not a number, or infinite"),
    ("▾", "a curve that lies below what is shown close up"),
    ("grey curve", "points that a resume left behind"),
)


class HelpScreen(Screen[None]):
    """The keys of the place it was called from first."""

    BINDINGS = bindings_of("help")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def compose(self) -> ComposeResult:
        """Heading, keys, footer."""
        yield TextRows(id="heading")
        yield Rule()
        with VerticalScroll(id="help-page", can_focus=False):
            yield TextRows(id="help")
        yield Rule()
        yield KeyBar("help")

    def on_mount(self) -> None:
        """Fill in the page."""
        title = [field(("tuitrain", "strong")), field(("keys", "quiet"))]
        self.query_one("#heading", TextRows).show(lambda width, height: [justify(title, (), width)])
        rows = help_rows(self._place)
        page = self.query_one("#help", TextRows)
        page.styles.height = len(rows)
        page.show(lambda width, height: rows)

    def action_scroll(self, lines: int) -> None:
        """Move the page, where it is longer than the screen."""
        self.query_one("#help-page").scroll_relative(y=lines, animate=False, force=True)

    def action_close(self) -> None:
        """Back to where the person was."""
        self.dismiss()


def help_rows(first: Place) -> list[Row]:
    """The keys of `first`, then those of the other places, then how to read the charts."""
    rows: list[Row] = []
    for place in sorted(_TITLES, key=lambda place: place != first):
        rows.append((Span(f" {_TITLES[place]}", "quiet"),))
        rows += [
            (Span(f"   {pad_text(key.shown, 9)}", "key"), Span(key.meaning, "text"))
            for key in keys_of(place)
        ]
    rows.append((Span(" in the charts", "quiet"),))
    rows += [
        (Span(f"   {pad_text(sign, 12)}", "key"), Span(text, "text")) for sign, text in _READING
    ]
    return rows
