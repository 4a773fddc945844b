"""Which way a metric gets better."""

from __future__ import annotations

import math
from collections.abc import Sequence

_LOW_IS_GOOD = ("loss", "error", "perplexity", "mse", "mae")
_HIGH_IS_GOOD = ("accuracy", "precision", "recall", "f1", "auc", "iou", "r2")


def direction_of(metric: str) -> int:
    """1 where a higher value is better, -1 where a lower is, 0 where that is not known."""
    name = metric.lower()
    if any(word in name for word in _LOW_IS_GOOD):
        return -1
    return 1 if any(word in name for word in _HIGH_IS_GOOD) else 0


def best_indexes(values: Sequence[float | None], direction: int) -> tuple[int, ...]:
    """Where the best of the values are; nowhere if all are equal or `direction` is 0."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not direction or len(set(known)) < 2:
        return ()
    best = max(known) if direction > 0 else min(known)
    return tuple(index for index, value in enumerate(values) if value == best)
