"""A widget for lines that are made anew for every width: header, events, result, rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tui_trainer.core.canvas import Row
from tui_trainer.dashboard.widgets.lines import Lines

MakeRows = Callable[[int, int], Sequence[Row]]


class TextRows(Lines):
    """Shows what the function it was given last makes of its width and height."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make: MakeRows = lambda width, height: ()
        self._source: object = None

    def show(self, make: MakeRows, source: object = None) -> None:
        """Show this from now on; nothing is made anew of the very object that is shown already."""
        if source is not None and source is self._source:
            return
        self._make, self._source = make, source
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """What the function makes."""
        return tuple(self._make(width, height))
