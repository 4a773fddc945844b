"""Where our own code fails: its place on the screen says so, and the dashboard goes on.

Someone may have watched for a day, and only one pane of many cannot be drawn. What failed is told
whole when the dashboard ends.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.chart_spec import ChartSpec
from tui_trainer.core.text_safety import sanitize, sanitize_lines
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.rows import field

_MOST_CHARACTERS = 200
_first = ""


def meet(error: Exception) -> str:
    """The error in a line that can be shown; the first of a process is kept whole."""
    global _first
    _first = _first or "".join(traceback.format_exception(error))
    return sanitize(f"{type(error).__name__}: {error}", limit=_MOST_CHARACTERS)


def first_mishap() -> str:
    """The traceback of the first error that was met, fit to be printed; empty if there was none."""
    return sanitize_lines(_first)


def draw_safely(make: Callable[[], Sequence[Row]]) -> tuple[Row, ...]:
    """The rows that `make` makes, or one that says why it cannot."""
    try:
        return tuple(make())
    except Exception as error:  # noqa: BLE001 - the boundary of a pane
        return ((Span(f" cannot be drawn: {meet(error)}", "error"),),)


def draft_safely(title: str, make: Callable[[], ChartContent]) -> ChartContent:
    """The chart that `make` makes, or an empty one that says why it cannot."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - the boundary of a pane
        spec = ChartSpec(curves=(), empty=f"cannot be drawn: {meet(error)}")
        return ChartContent((field((sanitize(title, limit=40), "strong")),), (), spec)
