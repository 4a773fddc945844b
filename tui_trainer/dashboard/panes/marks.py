"""The marks of a run's charts: the same for all of them, and seldom others than a moment ago."""

from __future__ import annotations

from collections import Counter

from tui_trainer.core.axis import XKind
from tui_trainer.core.chart_spec import Mark
from tui_trainer.core.series import Marker, SeriesView
from tui_trainer.core.text_safety import sanitize
from tui_trainer.core.viewport import Range

_LABEL_LIMIT = 24
_MOST_DRAWN = 256
"""Marks of a kind for which the widest terminal has room: more are shown by no chart."""


class MarkDrafts:
    """Drafts the marks of one run, those of the last call again while nothing is different."""

    def __init__(self) -> None:
        self._markers: tuple[Marker, ...] = ()
        self._axis: tuple[XKind, int] = ("step", 0)
        self._every: tuple[Mark, ...] = ()
        self._window: Range | None = None
        self._shown: tuple[Mark, ...] = ()

    def draft(self, series: SeriesView, kind: XKind, window: Range | None) -> tuple[Mark, ...]:
        """The marks within the window, but for kinds of which no chart can show so many."""
        axis = kind, series.steps.steps_per_epoch
        # Looking at each of some thousand markers takes longer than drawing a chart.
        is_same = series.markers is self._markers and axis == self._axis
        if not is_same:
            self._markers, self._axis = series.markers, axis
            self._every = tuple(_mark(marker, *axis) for marker in series.markers)
        if not is_same or window != self._window:
            self._window = window
            self._shown = _within(self._every, window)
        return self._shown


def _mark(marker: Marker, kind: XKind, steps_per_epoch: int) -> Mark:
    label = "" if marker.kind == "epoch" else sanitize(marker.label, limit=_LABEL_LIMIT)
    return Mark(marker.x(kind, steps_per_epoch), label, marker.kind)


def _within(marks: tuple[Mark, ...], window: Range | None) -> tuple[Mark, ...]:
    if window is not None:
        low, high = window
        marks = tuple(mark for mark in marks if low <= mark.x <= high)
    counts = Counter(mark.kind for mark in marks)
    return tuple(mark for mark in marks if counts[mark.kind] <= _MOST_DRAWN)
