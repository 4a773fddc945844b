"""A widget for more lines than it has room for."""

from __future__ import annotations

from collections.abc import Sequence

from textual.filter import LineFilter
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui_trainer.core.canvas import Row
from tui_trainer.dashboard.widgets.lines import changed_regions, strip_of, without_idle_filters


class ScrolledLines(ScrollView, can_focus=True):
    """Shows what `line_in_sight` returns; it is asked again only after `redraw` or a scroll."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: tuple[Row, ...] = ()
        self._drawn_at: tuple[Size, int] | None = None

    @property
    def top(self) -> int:
        """How many lines are scrolled out of sight above."""
        return round(self.scroll_offset.y)

    def line_in_sight(self, y: int) -> Row:
        """The line that stands `y` lines under the widget's upper end."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Send the terminal the lines in sight that are different now."""
        place = (self.size, self.top)
        before, self._drawn = self._drawn, tuple(map(self.line_in_sight, range(self.size.height)))
        if self._drawn_at != place:
            self._drawn_at = place
            self.refresh()
            return
        changed = changed_regions(before, self._drawn, self.size.width)
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """Line `y` of what is in sight."""
        is_drawn = self._drawn_at == (self.size, self.top) and y < len(self._drawn)
        row = self._drawn[y] if is_drawn else self.line_in_sight(y)
        return strip_of(row, self.size.width, self.rich_style)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What Textual does to each line before it is sent."""
        return without_idle_filters(super().get_line_filters())
