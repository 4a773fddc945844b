"""The widget all others are made of: it shows lines of spans that a pure function made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile, zip_longest
from typing import Self

from rich.segment import Segment
from rich.style import Style
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui_trainer.core.canvas import Row
from tui_trainer.dashboard.mishaps import draw_safely
from tui_trainer.dashboard.palette import style_of
from tui_trainer.dashboard.rows import fit_row, row_width
from tui_trainer.dashboard.terminal import showable


def strip_of(row: Row, width: int, base: Style) -> Strip:
    """A line for the terminal, exactly `width` cells wide."""
    segments = [
        Segment(showable(span.text), style_of(span.role, base)) for span in fit_row(row, width)
    ]
    return Strip(segments, width)


def without_idle_filters(filters: Sequence[LineFilter]) -> list[LineFilter]:
    """The filters that change something of lines in our palette's colours.

    Where Textual translates the terminal's own colours, our themes have none of them.
    """
    return [one for one in filters if not isinstance(one, ANSIToTruecolor)]


class Lines(Widget):
    """Shows what `build_rows` returns; it is asked again only after `redraw` or a resize."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._strips: dict[int, Strip] = {}
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Row, ...] = ()
        self._rows_size: tuple[int, int] | None = None
        self._base: Style | None = None

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The lines for a widget of this size; none unless a subclass has some."""
        return ()

    def _build(self, width: int, height: int) -> tuple[Row, ...]:
        return draw_safely(lambda: self.build_rows(width, height))

    def redraw(self) -> None:
        """Show anew what `build_rows` returns, sending the terminal only what is different."""
        width, height = self.size
        if self._rows_size != (width, height):
            self._rows_size = None
            self.refresh()
            return
        old, self._rows = self._rows, self._build(width, height)
        changed = changed_regions(old, self._rows, width)
        for region in changed:
            for y in region.line_range:
                self._strips.pop(y, None)
        if changed:
            self.refresh(*changed)

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Have these regions sent anew; without any the whole widget, worked out anew."""
        if not regions:
            self._strips = {}
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        """Line `y` of the widget."""
        self._fit()
        width = self.size.width
        row = self._rows[y] if y < len(self._rows) else ()
        # Worked out anew from all ancestors whenever it is asked for.
        self._base = self._base or self.rich_style
        return strip_of(row, width, self._base)

    def _fit(self) -> None:
        """Build the lines anew where the widget has another size than they were built for."""
        width, height = self.size
        if self._rows_size != (width, height):
            self._rows = self._build(width, height)
            self._rows_size = (width, height)
            self._strips = {}

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a part of the widget.

        Textual asks for all widgets that its rectangle around all that changed touches. What it
        would work out for each anew comes to nothing here: no border, padding, link or opacity.
        """
        self._fit()
        for y in crop.line_range:
            if y not in self._strips:
                self._strips[y] = self.render_line(y)
        strips = [self._strips[y] for y in crop.line_range]
        for line_filter in self.get_line_filters():
            background = self.background_colors[1]
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        return [strip.crop(*crop.column_span) for strip in strips]

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What Textual does to each line before it is sent."""
        return without_idle_filters(super().get_line_filters())

    def notify_style_update(self) -> None:
        """The theme may be another."""
        super().notify_style_update()
        self._base, self._strips = None, {}


def changed_regions(old: Sequence[Row], new: Sequence[Row], width: int) -> list[Region]:
    """Where two pictures differ: of neighbouring lines, what lies right of an equal start."""
    regions: list[Region] = []
    for y, (before, after) in enumerate(zip_longest(old, new, fillvalue=())):
        if before == after:
            continue
        equal = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
        start = row_width(tuple(span for span, _ in equal))
        region = Region(start, y, max(1, width - start), 1)
        # A region costs the compositor as much as some lines.
        if regions and regions[-1].bottom == y:
            region = regions.pop().union(region)
        regions.append(region)
    return regions
