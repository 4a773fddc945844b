"""Runs that differ only in their seed, as one curve: their mean and what they range over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.tables import FloatArray, Ranges

_FEWEST = 2


@dataclass(frozen=True)
class Line:
    """Points in the order of `x`; with `ranges` each of them stands for many."""

    x: FloatArray
    y: FloatArray
    ranges: Ranges | None = None


@dataclass(frozen=True)
class Band:
    """The mean of several lines at each `x`, and the least and greatest of all their points.

    `count` says how many lines reach there; where fewer than two do, the rest is NaN.
    """

    x: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    count: NDArray[np.int64]


def mean_and_band(lines: Sequence[Line], x: FloatArray) -> Band:
    """The band at the places `x`, which rise; a line's points count at the nearest place.

    Where a line has no point near a place it is interpolated, but never before its first point,
    after its last, or over one that is not finite.
    """
    shape = (len(lines), len(x))
    means, lows, highs = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    for index, line in enumerate(lines):
        means[index], lows[index], highs[index] = _resample(line, x)
    known = np.isfinite(means)
    count: NDArray[np.int64] = known.sum(axis=0)
    enough = count >= _FEWEST
    low = np.where(enough, _least(lows, known), np.nan)
    high = np.where(enough, -_least(-highs, known), np.nan)
    # Shares, not a sum that is divided: the sum of large numbers can be infinite.
    with np.errstate(under="ignore"):
        shares = np.where(known, means, 0.0) / np.maximum(count, 1)
    mean = np.clip(np.where(enough, shares.sum(axis=0), np.nan), low, high)
    return Band(x, mean, low, high, count)


def _least(values: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    least: FloatArray = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    return least


def _resample(line: Line, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, least and greatest of a line's points around each place of `x`."""
    if not len(x) or not len(line.x):
        nothing = np.full(len(x), np.nan)
        return nothing, nothing, nothing
    starts = np.searchsorted(line.x, _edges(x))
    holds = np.diff(starts) > 0
    mean = _interpolate(line, x, starts[:-1])
    low, high = mean.copy(), mean.copy()
    if holds.any():
        firsts, end = starts[:-1][holds], starts[-1]
        finite = np.isfinite(line.y[:end])
        counts = np.add.reduceat(finite.astype(np.float64), firsts)
        counts[counts == 0] = np.nan
        cells = np.repeat(counts, np.diff(np.append(firsts, end)))
        shares = np.where(finite[firsts[0] :], line.y[firsts[0] : end] / cells, 0.0)
        mean[holds] = np.add.reduceat(shares, firsts - firsts[0]) + 0 * counts
        lows, highs = (line.ranges.low, line.ranges.high) if line.ranges else (line.y, line.y)
        low[holds] = np.fmin.reduceat(np.where(finite, lows[:end], np.nan), firsts)
        high[holds] = np.fmax.reduceat(np.where(finite, highs[:end], np.nan), firsts)
    return mean, low, high


def _edges(x: FloatArray) -> FloatArray:
    """The borders between the places; the outer ones reach out as far as they reach in."""
    if len(x) == 1:
        return np.array([x[0], np.nextafter(x[0], np.inf)])
    halves = np.diff(x) / 2
    return np.concatenate(
        ([x[0] - halves[0]], x[:-1] + halves, [np.nextafter(x[-1] + halves[-1], np.inf)])
    )


def _interpolate(line: Line, x: FloatArray, right: NDArray[np.intp]) -> FloatArray:
    """Values at `x` on the straight lines that end in the points `right`; NaN where none does."""
    inside = (right > 0) & (right < len(line.x))
    right = np.where(inside, right, 0)
    x0, x1, y0, y1 = line.x[right - 1], line.x[right], line.y[right - 1], line.y[right]
    with np.errstate(all="ignore"):
        share = np.clip(np.where(x1 > x0, (x - x0) / (x1 - x0), 0.0), 0.0, 1.0)
        values = np.clip((1 - share) * y0 + share * y1, np.minimum(y0, y1), np.maximum(y0, y1))
        usable = inside & np.isfinite(y0) & np.isfinite(y1)
    return np.where(usable, values, np.nan)
