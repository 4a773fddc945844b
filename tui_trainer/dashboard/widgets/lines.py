"""The widget all others are made of: it shows lines of spans that a pure function made."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui_trainer.core.chart import Row
from tui_trainer.dashboard.palette import style_of
from tui_trainer.dashboard.rows import fit_row


def strip_of(row: Row, width: int, base: Style) -> Strip:
    """A line for the terminal, exactly `width` cells wide."""
    segments = [Segment(span.text, style_of(span.role, base)) for span in fit_row(row, width)]
    return Strip(segments, width)


class Lines(Widget):
    """Shows what `build_rows` returns; it is asked again only after `redraw` or a resize."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Row, ...] | None = None
        self._rows_size = (0, 0)

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The lines for a widget of this size."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Show anew what `build_rows` returns."""
        self._rows = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Line `y` of the widget."""
        width, height = self.size
        if self._rows is None or self._rows_size != (width, height):
            self._rows = self.build_rows(width, height)
            self._rows_size = (width, height)
        row = self._rows[y] if y < len(self._rows) else ()
        return strip_of(row, width, self.rich_style)
