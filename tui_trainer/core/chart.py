"""A chart as lines of text with roles: what to draw is decided here, colours by the widget."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import Axis, calm_end, make_x_axis, make_y_axis
from tui_trainer.core.braille import DOTS_X, DOTS_Y, Columns, reduce_columns, rows_of
from tui_trainer.core.canvas import Canvas, Row
from tui_trainer.core.chart_drawing import (
    LABEL_WIDTH,
    ROOM_PER_MARK,
    Drawing,
    Point,
    cell_of,
    draw_lines,
)
from tui_trainer.core.chart_spec import ChartSpec, Curve

MIN_WIDTH, MIN_HEIGHT = LABEL_WIDTH + 8, 3


@dataclass(frozen=True)
class Plot:
    """A drawn chart: its lines and its axes; without axes where there was nothing to draw."""

    rows: tuple[Row, ...]
    x_axis: Axis | None = None
    y_axis: Axis | None = None
    drawing: Drawing | None = None


def draw_chart(spec: ChartSpec, width: int, height: int) -> tuple[Row, ...]:
    """The chart in `height` lines of exactly `width` cells."""
    return plot_chart(spec, width, height).rows


def plot_chart(spec: ChartSpec, width: int, height: int, before: Plot | None = None) -> Plot:
    """The chart in `height` lines of exactly `width` cells, with its axes.

    Where it comes out as the one drawn `before`, its lines are that one's.
    """
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return Plot(Canvas(max(1, width), max(1, height)).rows())
    columns, rows = width - LABEL_WIDTH, height - 1
    x_axis = make_x_axis(*x_range(spec), columns, kind=spec.x_kind)
    reduced = _reduce(spec, x_axis, columns * DOTS_X)
    y_axis = _fit_y_axis(spec, _in_focus(spec, reduced, x_axis), rows)
    if y_axis is None:
        canvas = Canvas(width, height)
        canvas.write(rows // 2, max(0, (width - len(spec.empty)) // 2), spec.empty, "faint")
        return Plot(canvas.rows(), x_axis)
    drawing = _compose(spec, reduced, x_axis, y_axis, rows, columns)
    if before is not None and before.drawing is not None and drawing.is_same(before.drawing):
        return before
    return Plot(draw_lines(drawing), x_axis, y_axis, drawing)


def _reduce(spec: ChartSpec, axis: Axis, count: int) -> Columns:
    """The curves in `count` pixel columns, stacked."""
    reduced = [
        reduce_columns(
            curve.x, curve.y, axis.low, axis.high, count, log=spec.log, ranges=curve.ranges
        )
        for curve in spec.curves
    ]
    return Columns(
        np.array([columns.low for columns in reduced]).reshape(-1, count),
        np.array([columns.high for columns in reduced]).reshape(-1, count),
        np.array([columns.measured for columns in reduced], np.bool_).reshape(-1, count),
        np.array([columns.non_finite for columns in reduced], np.bool_).reshape(-1, count),
    )


def _compose(
    spec: ChartSpec, reduced: Columns, x_axis: Axis, y_axis: Axis, rows: int, columns: int
) -> Drawing:
    """What is to be drawn in so many rows and columns of cells."""
    below = np.zeros(reduced.low.shape[-1], np.bool_)
    if spec.focus_x is not None or spec.y_window is not None:
        reduced, below = _hide_outside(reduced, y_axis)
    return Drawing(
        rows=rows,
        columns=columns,
        # The curves are drawn as they were reduced, and the x axis is made already.
        spec=replace(spec, curves=(), x_data=None, x_end=None),
        x_axis=x_axis,
        y_axis=y_axis,
        roles=tuple(curve.role for curve in spec.curves),
        points=tuple(_place_points(curve, x_axis, y_axis, rows, columns) for curve in spec.curves),
        curves=reduced,
        below=below,
    )


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


def _fit_y_axis(spec: ChartSpec, reduced: Columns, rows: int) -> Axis | None:
    """An axis around all that is drawn; None where nothing is."""
    if spec.y_window is not None:
        low, high = spec.y_window
        axis = make_y_axis(low, high, rows, kind=spec.y_kind, log=spec.log and low > 0)
        inside = [pair for pair in axis.pairs if low <= pair[0] <= high]
        ticks, labels = zip(*inside, strict=True) if inside else ((), ())
        return replace(axis, low=low, high=high, ticks=ticks, labels=labels)
    values = np.concatenate((reduced.low.ravel(), reduced.high.ravel()))
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


def _in_focus(spec: ChartSpec, reduced: Columns, axis: Axis) -> Columns:
    """The part of the curves that the y axis is fitted to: all where there is no focus."""
    if spec.focus_x is None or not axis.low <= spec.focus_x <= axis.high:
        return reduced
    count = reduced.low.shape[-1]
    first = int(axis.position(spec.focus_x) * (count - 1) + 0.5)
    return _without(reduced, np.arange(count) < first)


def _without(curves: Columns, columns: NDArray[np.bool_]) -> Columns:
    low, high = np.where(columns, np.nan, curves.low), np.where(columns, np.nan, curves.high)
    return Columns(low, high, curves.measured, curves.non_finite)


def _hide_outside(curves: Columns, axis: Axis) -> tuple[Columns, NDArray[np.bool_]]:
    """The curves without what lies off the axis, and where they lie below it."""
    below = curves.high < axis.low
    hidden = below | (curves.low > axis.high * (1 + 1e-12))
    columns: NDArray[np.bool_] = np.asarray(below.any(axis=0))
    return _without(curves, hidden), columns


def _place_points(
    curve: Curve, x_axis: Axis, y_axis: Axis, rows: int, columns: int
) -> tuple[Point, ...]:
    """Where the glyphs of a curve stand; nowhere if there are too many for the room."""
    if not curve.glyph:
        return ()
    inside = np.isfinite(curve.y) & (curve.x >= x_axis.low) & (curve.x <= x_axis.high)
    if inside.sum() > columns // ROOM_PER_MARK:
        return ()
    at_rows = rows_of(curve.y[inside], y_axis, rows * DOTS_Y) // DOTS_Y
    at_columns = [cell_of(x, x_axis, columns) for x in curve.x[inside].tolist()]
    return tuple(
        Point(row, column, curve.glyph, curve.role)
        for row, column in zip(at_rows.tolist(), at_columns, strict=True)
    )
