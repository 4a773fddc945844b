"""A chart as lines of text with roles: what to draw is decided here, colours by the widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import (
    LABEL_CELLS,
    Axis,
    XKind,
    calm_end,
    exact_x_label,
    make_x_axis,
    make_y_axis,
)
from tui_trainer.core.braille import (
    DOTS_X,
    DOTS_Y,
    Columns,
    characters,
    rasterize,
    reduce_columns,
    rows_of,
)
from tui_trainer.core.canvas import Canvas, Row, one_cell_each
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark

LABEL_WIDTH = LABEL_CELLS + 1
"""Cells left of the plot: six for the label of a tick, one of space."""
MIN_WIDTH, MIN_HEIGHT = LABEL_WIDTH + 8, 3
_NON_FINITE, _MARK, _BELOW, _CURSOR = "×", "┊", "▾", "│"
_ROOM_PER_MARK = 4
_NAMED_FIRST = {"lr": 0, "resume": 1, "control": 2}


@dataclass(frozen=True)
class Plot:
    """A drawn chart: its lines and its axes; without axes where there was nothing to draw."""

    rows: tuple[Row, ...]
    x_axis: Axis | None = None
    y_axis: Axis | None = None


def draw_chart(spec: ChartSpec, width: int, height: int) -> tuple[Row, ...]:
    """The chart in `height` lines of exactly `width` cells."""
    return plot_chart(spec, width, height).rows


def plot_chart(spec: ChartSpec, width: int, height: int) -> Plot:
    """The chart in `height` lines of exactly `width` cells, with its axes."""
    canvas = Canvas(max(1, width), max(1, height))
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return Plot(canvas.rows())
    columns, rows = width - LABEL_WIDTH, height - 1
    x_axis = make_x_axis(*x_range(spec), columns, kind=spec.x_kind)
    reduced = [
        reduce_columns(
            curve.x,
            curve.y,
            x_axis.low,
            x_axis.high,
            columns * DOTS_X,
            log=spec.log,
            ranges=curve.ranges,
        )
        for curve in spec.curves
    ]
    y_axis = _fit_y_axis(spec, _in_focus(spec, reduced, x_axis), rows)
    if y_axis is None:
        canvas.write(rows // 2, max(0, (width - len(spec.empty)) // 2), spec.empty, "faint")
        return Plot(canvas.rows(), x_axis)
    plot = Canvas(columns, rows)
    if spec.focus_x is not None or spec.y_window is not None:
        reduced = _hide_below(plot, reduced, y_axis)
    _draw_curves(plot, spec.curves, reduced, x_axis, y_axis)
    _draw_marks(plot, spec.marks, x_axis)
    _draw_pointer(plot, spec, x_axis, y_axis)
    if spec.cursor is not None:
        _draw_cursor_label(canvas, spec.cursor, x_axis, spec.x_kind)
    _draw_labels(canvas, x_axis, y_axis)
    canvas.set_in(plot, 0, LABEL_WIDTH)
    return Plot(canvas.rows(), x_axis, y_axis)


def x_range(spec: ChartSpec) -> tuple[float, float]:
    """Where the x axis begins and ends."""
    return spec.window or whole_range(spec)


def whole_range(spec: ChartSpec) -> tuple[float, float]:
    """Where an x axis of all there is ends: at a calm number while the run lives."""
    ranges = [(float(curve.x[0]), float(curve.x[-1])) for curve in spec.curves if len(curve.x)]
    if spec.x_data is not None:
        ranges.append(spec.x_data)
    last = max((high for _, high in ranges), default=0.0)
    first = 0.0
    if spec.x_kind == "wall":
        first = min((low for low, _ in ranges), default=0.0)
    end = first + calm_end(last - first) if spec.is_live else last
    if spec.x_end:
        end = min(end, max(spec.x_end, last))
    least = 1.0 if spec.x_kind == "step" else 1e-3
    return first, max(end, first + least)


def _fit_y_axis(spec: ChartSpec, reduced: Sequence[Columns], rows: int) -> Axis | None:
    """An axis around all that is drawn; None where nothing is."""
    if spec.y_window is not None:
        low, high = spec.y_window
        axis = make_y_axis(low, high, rows, kind=spec.y_kind, log=spec.log and low > 0)
        inside = [pair for pair in axis.pairs if low <= pair[0] <= high]
        ticks, labels = zip(*inside, strict=True) if inside else ((), ())
        return replace(axis, low=low, high=high, ticks=ticks, labels=labels)
    lows = np.concatenate([columns.low for columns in reduced] or [np.empty(0)])
    highs = np.concatenate([columns.high for columns in reduced] or [np.empty(0)])
    values = np.concatenate((lows, highs))
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    values = np.concatenate((values, np.array(spec.include, np.float64)))
    positive = values[values > 0]
    log = spec.log and bool(len(positive))
    if log:
        values = positive
    low, high = float(values.min()), float(values.max())
    return make_y_axis(low, high, rows, kind=spec.y_kind, log=log)


def _in_focus(spec: ChartSpec, reduced: list[Columns], axis: Axis) -> list[Columns]:
    """The part of the curves that the y axis is fitted to: all where there is no focus."""
    if spec.focus_x is None or not axis.low <= spec.focus_x <= axis.high:
        return reduced
    count = len(reduced[0].low) if reduced else 0
    first = int(axis.position(spec.focus_x) * (count - 1) + 0.5)
    return [_without(curve, np.arange(count) < first) for curve in reduced]


def _without(curve: Columns, columns: NDArray[np.bool_]) -> Columns:
    low, high = np.where(columns, np.nan, curve.low), np.where(columns, np.nan, curve.high)
    return Columns(low, high, curve.measured, curve.non_finite)


def _hide_below(plot: Canvas, reduced: list[Columns], axis: Axis) -> list[Columns]:
    """The curves without what lies below the axis, which is hinted at on its lowest line."""
    kept = []
    for curve in reduced:
        hidden = (curve.high < axis.low) | (curve.low > axis.high * (1 + 1e-12))
        below = curve.high < axis.low
        for column in np.unique(np.flatnonzero(below) // DOTS_X):
            plot.write(plot.text.shape[0] - 1, int(column), _BELOW, "mark")
        kept.append(_without(curve, hidden))
    return kept


def _draw_curves(
    plot: Canvas, curves: Sequence[Curve], reduced: Sequence[Columns], x_axis: Axis, y_axis: Axis
) -> None:
    rows, columns = plot.text.shape
    for curve, column_values in zip(curves, reduced, strict=True):
        cells = rasterize(column_values, y_axis, columns, rows)
        drawn = cells > 0
        # A cell has one colour, so a later curve replaces an earlier one's dots there: mixing
        # the dots of two curves would show a shape that neither has.
        plot.text[drawn] = characters(cells)[drawn]
        plot.owner[drawn] = plot.role(curve.role)
    for curve, column_values in zip(curves, reduced, strict=True):
        if curve.glyph:
            _draw_points(plot, curve, x_axis, y_axis)
        for column in np.flatnonzero(column_values.non_finite) // DOTS_X:
            plot.write(0, int(column), _NON_FINITE, "non_finite")


def _draw_pointer(plot: Canvas, spec: ChartSpec, x_axis: Axis, y_axis: Axis) -> None:
    """The cursor, and the edges of a box that is being drawn."""
    rows, columns = plot.text.shape
    if spec.cursor is not None and x_axis.low <= spec.cursor <= x_axis.high:
        column = _cell_of(spec.cursor, x_axis, columns)
        free = np.isin(plot.owner[:, column], (-1, plot.role("mark")))
        plot.text[free, column] = _CURSOR
        plot.owner[free, column] = plot.role("cursor")
    if spec.box is None:
        return
    x0, y0, x1, y1 = spec.box
    left, right = sorted(min(max(_cell_of(x, x_axis, columns), 0), columns - 1) for x in (x0, x1))
    pixel_rows = rows_of(np.array([y0, y1]), y_axis, rows * DOTS_Y) // DOTS_Y
    top, bottom = int(pixel_rows.min()), int(pixel_rows.max())
    for row in {top, bottom}:
        plot.write(row, left, "─" * (right - left + 1), "cursor")
    for row in range(top, bottom + 1):
        for column in (left, right):
            plot.write(row, column, _CURSOR, "cursor")


def _draw_points(plot: Canvas, curve: Curve, x_axis: Axis, y_axis: Axis) -> None:
    rows, columns = plot.text.shape
    inside = np.isfinite(curve.y) & (curve.x >= x_axis.low) & (curve.x <= x_axis.high)
    if inside.sum() > columns // _ROOM_PER_MARK:
        return
    pixel_rows = rows_of(curve.y[inside], y_axis, rows * DOTS_Y)
    for x, pixel_row in zip(curve.x[inside], pixel_rows, strict=True):
        plot.write(
            int(pixel_row) // DOTS_Y, _cell_of(float(x), x_axis, columns), curve.glyph, curve.role
        )


def _cell_of(x: float, axis: Axis, columns: int) -> int:
    return round(axis.position(x) * (columns * DOTS_X - 1)) // DOTS_X


def _draw_marks(plot: Canvas, marks: Sequence[Mark], axis: Axis) -> None:
    columns = plot.text.shape[1]
    shown = [mark for mark in marks if axis.low < mark.x <= axis.high]
    marks = _thin_out(shown, columns // _ROOM_PER_MARK)
    # Where there is no room for all labels, what is rare is named rather than a checkpoint.
    for mark in sorted(marks, key=lambda mark: _NAMED_FIRST.get(mark.kind, len(_NAMED_FIRST))):
        column = _cell_of(mark.x, axis, columns)
        free = plot.owner[:, column] < 0
        plot.text[free, column] = _MARK
        plot.owner[free, column] = plot.role("mark")
        label, room = one_cell_each(mark.label), len(mark.label) + 2
        if label and plot.is_free(0, column + 1, room):
            plot.write(0, column + 1, " " + label, "mark_label")
        elif label and column + 1 + room > columns and plot.is_free(0, column - room, room):
            plot.write(0, column - room + 1, label + " ", "mark_label")


def _thin_out(marks: Iterable[Mark], most: int) -> list[Mark]:
    """The marks of every kind that has no more than `most`."""
    marks = list(marks)
    numbers: dict[str, int] = {}
    for mark in marks:
        numbers[mark.kind] = numbers.get(mark.kind, 0) + 1
    return [mark for mark in marks if numbers[mark.kind] <= most]


def _draw_labels(canvas: Canvas, x_axis: Axis, y_axis: Axis) -> None:
    height, width = canvas.text.shape
    rows = height - 1
    for tick, label in y_axis.pairs:
        row = round((1 - y_axis.position(tick)) * (rows * DOTS_Y - 1)) // DOTS_Y
        if canvas.is_free(row, 0, LABEL_WIDTH):
            canvas.write(row, 0, f"{label:>{LABEL_CELLS}}", "axis")
    next_free = 0
    for tick, label in x_axis.pairs:
        start = _label_start(tick, label, x_axis, width)
        room = min(len(label) + 2, width - start + 1)
        if start >= next_free and canvas.is_free(rows, start - 1, room):
            canvas.write(rows, start, label, "axis")
            next_free = start + len(label) + 2


def _draw_cursor_label(canvas: Canvas, cursor: float, axis: Axis, kind: XKind) -> None:
    """Where the cursor is, in place of the ticks near it."""
    height, width = canvas.text.shape
    if axis.low <= cursor <= axis.high:
        label = exact_x_label(cursor, kind)
        canvas.write(height - 1, _label_start(cursor, label, axis, width), label, "cursor")


def _label_start(x: float, label: str, axis: Axis, width: int) -> int:
    """The column where a label begins that is centred under `x`, as far as the line allows."""
    centre = LABEL_WIDTH + _cell_of(x, axis, width - LABEL_WIDTH)
    return min(max(LABEL_WIDTH, centre - len(label) // 2), width - len(label))
