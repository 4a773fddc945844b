"""Doing something costly only so often that it takes no more than a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Measures what it costs, and tells when it may be done again."""

    def __init__(
        self, share: float, most_s: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`share` of the time is what it may take; it never has to wait longer than `most_s`."""
        self._share, self._most_s, self._clock = share, most_s, clock
        self._due = 0.0

    @property
    def wait_s(self) -> float:
        """How long it has to wait; 0 where it may be done now."""
        return max(0.0, self._due - self._clock())

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Do it in this block."""
        started = self._clock()
        try:
            yield
        finally:
            cost_s = self._clock() - started
            self._due = started + min(self._most_s, cost_s / self._share)
