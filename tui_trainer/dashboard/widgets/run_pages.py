"""The pages of text about a run: diagnosis and events, the worker's log, its configuration."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from tui_trainer.dashboard.panes.configuration import configuration_rows
from tui_trainer.dashboard.panes.console import console_rows
from tui_trainer.dashboard.panes.diagnosis import diagnosis_rows
from tui_trainer.dashboard.panes.events import all_event_rows
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.pane_grid import Rule
from tui_trainer.dashboard.widgets.text_page import MakePage, TextPage

EVENTS_PAGE, LOG_PAGE, SETTINGS_PAGE = 3, 4, 5
_PARTS = {
    EVENTS_PAGE: ("diagnosis", "all-events"),
    LOG_PAGE: ("worker-log",),
    SETTINGS_PAGE: ("settings",),
}


def is_text_page(page: int) -> bool:
    """Whether a page of a run is one of text."""
    return page in _PARTS


class RunPages(Vertical):
    """Shows one of the pages at a time, between two rules."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = 0

    def compose(self) -> ComposeResult:
        """Every part of every page; those of one are displayed."""
        yield Rule()
        yield TextPage("diagnosis", id="diagnosis")
        yield TextPage("events", follows=True, id="all-events")
        yield TextPage("worker log", follows=True, id="worker-log")
        yield TextPage("configuration and environment", id="settings")
        yield Rule()

    def turn_to(self, page: int) -> None:
        """Display a page; nothing where it is none of text."""
        if page == self._page:
            return
        self._page = page
        self.display = is_text_page(page)
        for part in self.query(TextPage):
            part.display = part.id in _PARTS.get(page, ())

    def show(self, view: RunView) -> None:
        """Show what the page says of this picture of the run."""
        record = view.record
        makers: dict[str, tuple[MakePage, object]] = {
            "diagnosis": (
                lambda width: diagnosis_rows(record, view.findings, width, is_whole=view.is_whole),
                None,
            ),
            # These are long, and seldom others than a moment ago.
            "all-events": (
                lambda width: all_event_rows(view.happenings, width),
                (view.happenings,),
            ),
            "worker-log": (lambda width: console_rows(view.console, width), (view.console,)),
            "settings": (
                lambda width: configuration_rows(record, view.facts, width),
                (view.facts, record.snapshot.session, record.snapshot.choices),
            ),
        }
        for name in _PARTS.get(self._page, ()):
            make, of = makers[name]
            self.query_one(f"#{name}", TextPage).show(make, of)

    @property
    def scrolled(self) -> TextPage | None:
        """What keys that scroll are for: of several parts the last; None without a page."""
        parts = _PARTS.get(self._page)
        return self.query_one(f"#{parts[-1]}", TextPage) if parts else None
