"""Which steps of a long run should be read again, so that what is looked at is whole."""

from __future__ import annotations

import numpy as np

from tui_trainer.core.series import SeriesView
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.options import ChartOptions, data_range

_ENOUGH_ROWS = 2000
"""Bins in sight that tell no less than all their steps would: four for each dot of a wide chart."""
_PARTS = 8


def wanted_spans(
    series: SeriesView, options: ChartOptions, *, cursor_counts: bool
) -> tuple[StepSpan, ...]:
    """The spans of merged steps in the window and, if it counts, at the cursor.

    They are rounded outwards, so that a window that moves slowly keeps its span.
    """
    steps = series.steps
    if not series.merged_until or not len(steps):
        return ()
    x, spans = steps.x(options.x_kind), []
    window = options.window(data_range(steps, options.x_kind))
    if window is not None:
        low, high = np.interp(window, x, steps.step)
        if high - low < _ENOUGH_ROWS * series.rows_per_bin:
            part = max(1, int(high - low) // _PARTS)
            spans.append(_within(low // part * part, -(-high // part) * part, series))
    if cursor_counts and options.cursor is not None:
        at = float(np.interp(options.cursor, x, steps.step))
        size = series.rows_per_bin
        spans.append(_within((at // size - 1) * size, (at // size + 2) * size, series))
    return tuple(span for span in spans if span[0] < span[1])


def _within(low: float, high: float, series: SeriesView) -> StepSpan:
    return max(1, int(low)), min(int(high), series.merged_until)
