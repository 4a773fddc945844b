"""Exponential moving averages with their start-up bias removed."""

from __future__ import annotations

import numpy as np

from tui_trainer.core.tables import FloatArray

LEVELS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
"""The weights a person can step through; 0 is no smoothing."""
_PART_OF_RUN = 100
_NEGLIGIBLE = 1e-18
_CHUNK = 1 << 14  # fits the cache: several times faster than one pass over a long curve


def level_for(steps: int) -> int:
    """The index of the strongest level that averages over no more than a hundredth of a run."""
    fitting = [i for i, weight in enumerate(LEVELS) if (1 - weight) * steps >= _PART_OF_RUN]
    return max(fitting, default=0)


def smooth(values: FloatArray, weight: float) -> FloatArray:
    """The average of each value and its past, each older one counting `weight` times less.

    The start is not pulled to zero (the bias is divided out). Values that are not finite are
    left out and stay as they are, so a gap stays a gap.
    """
    return Smoother(weight).update(values, 0)


def _sum_decaying(sums: FloatArray, decay: float) -> None:
    """Add to each entry, in place, those before it, each `decay` times less than the next one."""
    # By doubling: after pass k each entry has seen 2^k of its past.
    reach = 1
    while reach < len(sums) and decay > _NEGLIGIBLE:
        sums[reach:] += decay * sums[:-reach]
        reach, decay = 2 * reach, decay * decay


def _sum_decaying_by(sums: FloatArray, decays: FloatArray) -> None:
    """Like `_sum_decaying`, with a decay of its own for each entry; both arrays are used up."""
    reach = 1
    while reach < len(sums) and decays.max() > _NEGLIGIBLE:
        sums[reach:] += decays[reach:] * sums[:-reach]
        decays[reach:] = decays[reach:] * decays[:-reach]
        reach *= 2


class Smoother:
    """Smooths a curve that grows, looking at each of its points once."""

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._generation = 0
        self._size = 0
        self._count = 0.0
        self._sum = 0.0
        self._smoothed: FloatArray = np.empty(0)

    def update(
        self, values: FloatArray, generation: int, rows: FloatArray | None = None
    ) -> FloatArray:
        """All of `values` smoothed; those of the last call again if `generation` is the same.

        `rows` says how many rows each value is the mean of, where that is not one: it counts as
        if it stood there so many times.
        """
        if generation != self._generation or len(values) < self._size:
            self._reset(generation)
        if self.weight <= 0:
            return values
        fresh = values[self._size :]
        if len(fresh):
            self._reserve(len(values))
            for start in range(0, len(fresh), _CHUNK):
                part = slice(self._size, self._size + len(fresh[start : start + _CHUNK]))
                chunk = self._continue(values[part], None if rows is None else rows[part])
                self._smoothed[self._size : self._size + len(chunk)] = chunk
                self._size += len(chunk)
        return self._smoothed[: self._size]

    def _continue(self, fresh: FloatArray, rows: FloatArray | None) -> FloatArray:
        finite = np.isfinite(fresh)
        kept = fresh[finite]
        if not len(kept):
            return fresh
        if rows is None:
            sums = np.concatenate(([self._sum], (1 - self.weight) * kept))
            _sum_decaying(sums, self.weight)
            counts = self._count + np.arange(1.0, len(kept) + 1)
        else:
            decays = np.concatenate(([0.0], self.weight ** rows[finite]))
            sums = np.concatenate(([self._sum], (1 - decays[1:]) * kept))
            _sum_decaying_by(sums, decays)
            counts = self._count + np.cumsum(rows[finite])
        smoothed = fresh.copy()
        smoothed[finite] = sums[1:] / (1 - self.weight**counts)
        self._sum, self._count = float(sums[-1]), float(counts[-1])
        return smoothed

    def _reserve(self, size: int) -> None:
        if size > len(self._smoothed):
            grown = np.empty(max(size, 2 * len(self._smoothed)))
            grown[: self._size] = self._smoothed[: self._size]
            self._smoothed = grown

    def _reset(self, generation: int) -> None:
        self._generation = generation
        self._size, self._count, self._sum = 0, 0.0, 0.0
        self._smoothed = np.empty(0)
