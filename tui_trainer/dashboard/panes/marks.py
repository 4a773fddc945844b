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
        self._made_of: tuple[XKind, int, Range | None] = ("step", 0, None)
        self._marks: tuple[Mark, ...] = ()

    def draft(self, series: SeriesView, kind: XKind, window: Range | None) -> tuple[Mark, ...]:
        """The marks within the window, but for kinds of which no chart can show so many."""
        made_of = kind, series.steps.steps_per_epoch, window
        # Looking at each of some thousand markers takes longer than drawing a chart.
        if series.markers is not self._markers or made_of != self._made_of:
            self._markers, self._made_of = series.markers, made_of
            self._marks = _make_marks(series.markers, *made_of)
        return self._marks


def _make_marks(
    markers: tuple[Marker, ...], kind: XKind, steps_per_epoch: int, window: Range | None
) -> tuple[Mark, ...]:
    if window is not None:
        low, high = window
        markers = tuple(one for one in markers if low <= one.x(kind, steps_per_epoch) <= high)
    counts = Counter(marker.kind for marker in markers)
    return tuple(
        _mark(marker, kind, steps_per_epoch)
        for marker in markers
        if counts[marker.kind] <= _MOST_DRAWN
    )


def _mark(marker: Marker, kind: XKind, steps_per_epoch: int) -> Mark:
    label = "" if marker.kind == "epoch" else sanitize(marker.label, limit=_LABEL_LIMIT)
    return Mark(marker.x(kind, steps_per_epoch), label, marker.kind)
