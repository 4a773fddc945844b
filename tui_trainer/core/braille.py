"""Curves as braille dots, two across and four down in a cell, with no extreme lost.

Every pixel column draws the span from the least to the greatest of its points, so a spike one
step wide among a million stays on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import Axis
from tui_trainer.core.tables import FloatArray, Ranges

DOTS_X, DOTS_Y = 2, 4
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_BLANK = 0x2800
_EDGES = np.arange(DOTS_Y + 1)
_DOTS_OF_RUN = np.array(
    [
        [_BITS[first:past, column].sum() for first in _EDGES for past in _EDGES]
        for column in range(DOTS_X)
    ],
    np.uint8,
)
"""Of a cell's left and right column, the dots from row `first` to before `past`, one after another
for each pair of these."""

Cells = NDArray[np.uint8]


@dataclass(frozen=True)
class Columns:
    """A curve per pixel column: its least and greatest value, NaN where there is nothing.

    `measured` says which columns hold points (the others lie on a line between two), and
    `non_finite` which hold a NaN or an infinity.
    """

    low: FloatArray
    high: FloatArray
    measured: NDArray[np.bool_]
    non_finite: NDArray[np.bool_]


def reduce_columns(
    x: FloatArray,
    y: FloatArray,
    low: float,
    high: float,
    count: int,
    *,
    log: bool = False,
    ranges: Ranges | None = None,
) -> Columns:
    """The points with `x` (never falling) from `low` to `high`, in `count` pixel columns.

    With `ranges` each point stands for many, which range so far.
    """
    width = (high - low) / max(1, count - 1)
    edges = np.searchsorted(x, low + (np.arange(count + 1) - 0.5) * width)
    measured = np.diff(edges) > 0
    lows, highs = np.full(count, np.nan), np.full(count, np.nan)
    non_finite = np.zeros(count, np.bool_)
    if measured.any() and ranges is not None:
        starts, end = edges[:-1][measured], edges[-1]
        lows[measured] = np.fmin.reduceat(ranges.low[:end], starts)
        highs[measured] = np.fmax.reduceat(ranges.high[:end], starts)
        non_finite[measured] = np.logical_or.reduceat(ranges.non_finite[:end], starts)
    elif measured.any():
        starts, within = edges[:-1][measured], y[: edges[-1]]
        lows[measured] = np.minimum.reduceat(within, starts)
        highs[measured] = np.maximum.reduceat(within, starts)
        non_finite = measured & ~(np.isfinite(lows) & np.isfinite(highs))
        for column in np.flatnonzero(non_finite):
            points = y[edges[column] : edges[column + 1]]
            points = points[np.isfinite(points)]
            lows[column] = points.min() if len(points) else np.nan
            highs[column] = points.max() if len(points) else np.nan
    between = ~measured & (edges[:-1] > 0) & (edges[:-1] < len(x))
    if between.any():
        right = edges[:-1][between]
        centres = np.flatnonzero(between).astype(np.float64) * width + low
        lows[between] = highs[between] = _interpolate(x, y, right, centres, log=log)
    return Columns(lows, highs, measured, non_finite)


def _interpolate(
    x: FloatArray, y: FloatArray, right: NDArray[np.intp], centres: FloatArray, *, log: bool
) -> FloatArray:
    """Values at `centres` on the lines from the points before `right` to those at `right`."""
    x0, x1, y0, y1 = x[right - 1], x[right], y[right - 1], y[right]
    with np.errstate(all="ignore"):
        share = np.where(x1 > x0, (centres - x0) / (x1 - x0), 0.0)
        if log:
            usable = (y0 > 0) & (y1 > 0)
            line = np.exp(np.log(y0) + share * (np.log(y1) - np.log(y0)))
            line = np.where(usable, line, y0 + share * (y1 - y0))
        else:
            line = y0 + share * (y1 - y0)
    finite = np.isfinite(y0) & np.isfinite(y1)
    result: FloatArray = np.where(finite, line, np.nan)
    return result


def rows_of(values: FloatArray, axis: Axis, count: int) -> NDArray[np.int64]:
    """The pixel row of each value, 0 at the top; values off the scale lie on its border."""
    low, high = axis.low, axis.high
    if axis.is_log:
        values = np.log10(np.maximum(values, axis.low))
        low, high = np.log10(low), np.log10(high)
    with np.errstate(all="ignore"):
        # Of a NaN and a number these take the number.
        share = np.fmin(np.fmax((values - low) / (high - low), 0.0), 1.0)
    rows: NDArray[np.int64] = np.rint((1 - share) * (count - 1)).astype(np.int64)
    return rows


def rasterize(columns: Columns, axis: Axis, width: int, height: int) -> Cells:
    """The dots of a curve in `height` × `width` cells: the low byte of each braille character.

    Of several curves at once, their columns stacked, it makes as many such grids.
    """
    drawn = ~np.isnan(columns.low)
    top, bottom = rows_of(np.stack((columns.high, columns.low)), axis, height * DOTS_Y)
    top, bottom = _connect(top, bottom, drawn)
    bottom[~drawn] = -1
    above = np.arange(0, height * DOTS_Y, DOTS_Y)[:, None]
    first = np.clip(top[..., None, :] - above, 0, DOTS_Y)
    past = np.clip(bottom[..., None, :] + 1 - above, 0, DOTS_Y)
    runs = first * len(_EDGES) + past
    left, right = _DOTS_OF_RUN
    cells: Cells = left[runs[..., 0::DOTS_X]] | right[runs[..., 1::DOTS_X]]
    return cells


def _connect(
    top: NDArray[np.int64], bottom: NDArray[np.int64], drawn: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stretch neighbouring columns towards each other until they touch."""
    here, there = (..., slice(None, -1)), (..., slice(1, None))
    joined = drawn[there] & drawn[here]
    falls = joined & (top[there] > bottom[here] + 1)
    rises = joined & (bottom[there] < top[here] - 1)
    middle_down = (bottom[here] + top[there]) // 2
    middle_up = (bottom[there] + top[here]) // 2
    new_top, new_bottom = top.copy(), bottom.copy()
    np.maximum(new_bottom[here], middle_down, out=new_bottom[here], where=falls)
    np.minimum(new_top[there], middle_down + 1, out=new_top[there], where=falls)
    np.maximum(new_bottom[there], middle_up, out=new_bottom[there], where=rises)
    np.minimum(new_top[here], middle_up + 1, out=new_top[here], where=rises)
    return new_top, new_bottom


def characters(cells: Cells) -> NDArray[np.str_]:
    """The cells as one-character strings."""
    return (cells.astype(np.uint32) + _BLANK).view("<U1").reshape(cells.shape)


def sparkline(y: FloatArray, width: int, bounds: tuple[float, float] | None = None) -> str:
    """A curve one line high and `width` cells wide, in the order of its points.

    It fills the line from its least to its greatest value, or from and to `bounds`.
    """
    if not len(y) or not np.isfinite(y).any():
        return " " * width
    count = width * DOTS_X
    x = np.arange(len(y), dtype=np.float64)
    columns = reduce_columns(x, y, 0.0, max(1.0, len(y) - 1.0), count)
    low, high = bounds or (float(np.nanmin(columns.low)), float(np.nanmax(columns.high)))
    axis = Axis(low, high if high > low else low + 1.0, (), ())
    return "".join(characters(rasterize(columns, axis, width, 1))[0]).replace(chr(_BLANK), " ")
