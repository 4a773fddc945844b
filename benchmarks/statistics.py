"""Figures from repeated measurements: medians, their intervals, ratios, targets. Pure."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

CONTROL_TOLERANCE = 0.01
"""How far from 1 the ratio of a contestant to its own copy may lie."""


@dataclass(frozen=True)
class Estimate:
    """A median with an interval that holds the true one with probability `coverage`."""

    median: float
    low: float
    high: float
    coverage: float
    count: int

    def scaled(self, factor: float) -> Estimate:
        """The same figure in another unit; `factor` is positive."""
        low, high = self.low * factor, self.high * factor
        return Estimate(self.median * factor, low, high, self.coverage, self.count)


@dataclass(frozen=True)
class Target:
    """What a median must reach: at least `bound`, or at most."""

    bound: float
    at_least: bool

    def is_met(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound


def estimate_median(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The median with its interval between two order statistics.

    The number of values below the true median is binomial with p = 1/2, whatever the values'
    distribution, so the interval from the k-th smallest to the k-th largest holds it with a known
    probability. The narrowest one that reaches `confidence` is taken; where there are too few
    values even for the widest, that is taken and `coverage` says what it is worth.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a median needs at least one value")
    ordered = sorted(values)
    count = len(ordered)
    left_out = 0
    while 2 * (left_out + 2) <= count and _coverage(count, left_out + 1) >= confidence:
        left_out += 1
    return Estimate(
        median=statistics.median(ordered),
        low=ordered[left_out],
        high=ordered[count - 1 - left_out],
        coverage=_coverage(count, left_out),
        count=count,
    )


def _coverage(count: int, left_out: int) -> float:
    """How sure the true median lies between what is left without the extremes on each side."""
    tail = sum(math.comb(count, below) for below in range(left_out + 1))
    return max(0.0, 1.0 - 2.0 * tail / 2.0**count)


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Our value over theirs, of each pair that was measured side by side."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def is_level(control: Estimate) -> bool:
    """Whether a contestant measured against its own copy comes out equal: noise is small enough."""
    return abs(control.median - 1.0) <= CONTROL_TOLERANCE


def interleave(
    contestants: Mapping[str, Callable[[], T]], rounds: int, *, seed: int = 0
) -> dict[str, list[T]]:
    """Call every contestant once a round, in an order drawn anew for each round."""
    generator = random.Random(seed)
    results: dict[str, list[T]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name in generator.sample(list(contestants), len(contestants)):
            results[name].append(contestants[name]())
    return results
