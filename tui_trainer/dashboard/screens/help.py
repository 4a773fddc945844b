"""Every key, and what it does: the binding table as a page."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from tui_trainer.core.canvas import Row, Span
from tui_trainer.dashboard.bindings import Place, bindings_of, keys_of, places_at
from tui_trainer.dashboard.rows import field, justify, pad_text
from tui_trainer.dashboard.sturdy import SturdyScreen
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.pane_grid import Rule
from tui_trainer.dashboard.widgets.text_rows import TextRows

_TITLES: dict[Place, str] = {
    "run": "in a run",
    "runs": "in the list of runs",
    "compare": "comparing runs",
    "form": "in the form for a new run",
    "charts": "over charts, of one run or of several",
    "everywhere": "everywhere",
}
_READING = (
    ("○ ◇", "validation and test, on the axis of training"),
    ("┊", "a checkpoint, an epoch, a resume or something you asked for"),
    ("×", "a value that is not a number, or infinite"),
    ("▲", "the newest validation is the best so far"),
    ("▾", "a curve that lies below what is shown close up"),
    ("│", "the cursor, or the edge of a part that is being chosen with the mouse"),
    ("0.1…0.4", "the range of the steps that one dot stands for"),
    ("~0.2", "the value of the smoothed curve"),
    ("wheel", "zoom where the mouse points; with shift or ctrl, move"),
    ("drag", "choose a part; with the right button or ctrl, move; a double click shows all"),
    ("grey curve", "points that a resume left behind"),
)


class HelpScreen(SturdyScreen):
    """The keys of the place it was called from first."""

    PLACE = "help"
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

    def action_page(self, pages: int) -> None:
        """Move the page by screenfuls."""
        page = self.query_one("#help-page")
        self.action_scroll(pages * max(1, page.size.height - 1))

    def action_close(self) -> None:
        """Back to where the person was."""
        self.dismiss()


def help_rows(first: Place) -> list[Row]:
    """The keys that work in `first` and how to read its charts, then the keys of other places."""
    here = places_at(first)
    rows = [row for place in here for row in _rows_of(place)]
    rows += [(), (Span(" in the charts", "quiet"),)]
    rows += [
        (Span(f"   {pad_text(sign, 12)}", "key"), Span(text, "text")) for sign, text in _READING
    ]
    rows += [row for place in _TITLES if place not in here for row in ((), *_rows_of(place))]
    return rows


def _rows_of(place: Place) -> list[Row]:
    return [
        (Span(f" {_TITLES[place]}", "quiet"),),
        *(
            (Span(f"   {pad_text(key.shown, 9)}", "key"), Span(key.meaning, "text"))
            for key in keys_of(place)
        ),
    ]
