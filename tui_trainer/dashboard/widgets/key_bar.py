"""The footer: what the keys do here, or for a moment something that must be said."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.timer import Timer

from tui_trainer.core.canvas import Row, Span
from tui_trainer.dashboard.bindings import Place, footer_keys
from tui_trainer.dashboard.rows import field, fit_row, justify, row_width, wrap_text
from tui_trainer.dashboard.widgets.lines import Lines

_NOTICE_S = 6.0
_MOST_LINES = 4


class KeyBar(Lines):
    """One line of keys and their labels; a notice takes its place for some seconds."""

    def __init__(self, place: Place) -> None:
        super().__init__(classes="key-bar")
        self._place = place
        self._labels: Mapping[str, str] = {}
        self._notice = ""
        self._notice_role = ""
        self._timer: Timer | None = None

    @property
    def notice(self) -> str:
        """What is being said instead of the keys; empty if nothing."""
        return self._notice

    def label(self, labels: Mapping[str, str]) -> None:
        """Name actions by what they would do now; one named by nothing is left out."""
        if labels != self._labels:
            self._labels = labels
            self.redraw()

    def say(self, text: str, role: str = "text", *, seconds: float | None = None) -> None:
        """Say this instead of the keys, for some seconds; on more than a line if it needs them."""
        self.hush()
        self._notice, self._notice_role = text, role
        self._timer = self.set_timer(seconds or _NOTICE_S, self.hush)
        # The bar reaches over the whole screen, and has no size while a prompt stands there.
        self.styles.height = len(self._notice_lines(self.screen.size.width))
        self.redraw()

    def hush(self) -> None:
        """Show the keys again."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._notice:
            self._notice = ""
            self.styles.height = 1
            self.redraw()

    def _notice_lines(self, width: int) -> list[str]:
        return wrap_text(self._notice, max(1, width - 2), _MOST_LINES)

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The notice, or as many keys as fit, the most needed ones last to go."""
        if self._notice:
            lines = self._notice_lines(width)
            return tuple(fit_row((Span(f" {line}", self._notice_role),), width) for line in lines)
        fields = [
            field(
                (f"{key.shown} ", "key"),
                (self._labels.get(key.action, key.label), "quiet"),
                rank=key.rank or 0,
            )
            for key in footer_keys(self._place)
            if self._labels.get(key.action, key.label)
        ]
        return (justify(fields, (), width),)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the mouse does; a notice gives way to the keys."""
        if self._notice:
            self.hush()
            return
        shown = _shown_at(self.build_rows(self.size.width, 1)[0], event.x)
        for key in footer_keys(self._place):
            if key.shown == shown:
                target = self.app if key.place == "everywhere" else self.screen
                await self.app.run_action(key.action, target)
                return


def _shown_at(row: Row, cell: int) -> str:
    """The key whose name or label stands at a cell of the line; empty where none does."""
    shown, start = "", 0
    for span in row:
        if span.role == "key":
            shown = span.text.rstrip()
        start += row_width((span,))
        if cell < start:
            return shown if span.role in ("key", "quiet") else ""
    return ""
