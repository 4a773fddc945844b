"""A page of lines, longer than the screen, under a heading that stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.geometry import Size

from tui_trainer.core.canvas import Row
from tui_trainer.dashboard.mishaps import draw_safely
from tui_trainer.dashboard.rows import field, justify
from tui_trainer.dashboard.widgets.scrolled_lines import ScrolledLines

MakePage = Callable[[int], Sequence[Row]]
_HEADING_ROWS = 1


class TextPage(ScrolledLines):
    """Shows what the function it was given last makes of its width.

    A page that `follows` stays at its end while it is there. Once someone scrolls up, it holds
    what it shows, says so, and takes newer lines only when it is back at the end.
    """

    def __init__(
        self,
        title: str,
        *,
        follows: bool = False,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._title = title
        self._follows = follows
        self._is_held = False
        self._has_news = False
        self._make: MakePage = lambda width: ()
        self._of: object = None
        self._rows: tuple[Row, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether a page that follows shows what it showed when someone scrolled up."""
        return self._is_held

    def show(self, make: MakePage, of: object = None) -> None:
        """Show this from now on, or, while held, once it is back at the end.

        `of` is what the lines are made of: while that is the same, so are they.
        """
        if of is not None and of == self._of:
            return
        self._make, self._of = make, of
        if self._is_held:
            self._has_news = self._has_news or self._rows != self._build()
            self.redraw()
        else:
            self._rebuild()

    def scroll_lines(self, lines: int) -> None:
        """Go down by so many lines, or up."""
        self.scroll_to(y=self.top + lines, animate=False, force=True)

    def page(self, pages: int) -> None:
        """Go down by screenfuls, or up; a line stays in sight."""
        self.scroll_lines(pages * max(1, self.size.height - _HEADING_ROWS - 1))

    def to_start(self) -> None:
        """Go to the first line."""
        self.scroll_to(y=0, animate=False, force=True)

    def to_end(self) -> None:
        """Go to the last line, and follow."""
        self._settle(is_at_end=True)
        self._scroll_to_end()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Hold the page when it leaves its end; let it go on when it comes back."""
        super().watch_scroll_y(old_value, new_value)
        if self._follows and round(old_value) != round(new_value):
            self._settle(is_at_end=round(new_value) >= self.max_scroll_y)
        self.redraw()

    def _settle(self, *, is_at_end: bool) -> None:
        had_news, self._is_held = self._has_news, self._follows and not is_at_end
        if is_at_end and had_news:
            self._has_news = False
            self._rebuild()

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self._rebuild()

    @property
    def _row_width(self) -> int:
        # A column stays free for the scrollbar, so that nothing moves when it comes.
        return max(1, self.container_size.width - 1)

    def _build(self) -> tuple[Row, ...]:
        return draw_safely(self._make_rows)

    def _make_rows(self) -> Sequence[Row]:
        # What cannot be drawn is tried again, though it be of the same as before.
        of, self._of = self._of, None
        rows = self._make(self._row_width)
        self._of = of
        return rows

    def _rebuild(self) -> None:
        if not self.size.width:
            return
        self._rows = self._build()
        self._has_news = False
        self.virtual_size = Size(self.size.width, len(self._rows) + _HEADING_ROWS)
        if self._follows and not self._is_held:
            self._scroll_to_end()
        self.redraw()

    def _scroll_to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def line_in_sight(self, y: int) -> Row:
        """The heading, and under it the lines from where the page stands."""
        if y < _HEADING_ROWS:
            return self._heading()
        index = self.top + y - _HEADING_ROWS
        return self._rows[index] if index < len(self._rows) else ()

    def _heading(self) -> Row:
        left = [field((self._title, "strong"))]
        return justify(left, [field((self._place, "quiet"), rank=1)], self.size.width)

    @property
    def _place(self) -> str:
        """Where the page stands, in words."""
        count, height = len(self._rows), self.size.height - _HEADING_ROWS
        if self._is_held:
            return "held · newer lines below · G end" if self._has_news else "held · G end"
        if count <= height:
            return ""
        if self._follows:
            return "following"
        first = self.top
        return f"lines {first + 1}–{min(count, first + height)} of {count}"
