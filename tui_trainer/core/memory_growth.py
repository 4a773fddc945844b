"""Memory that grows step by step, told from memory that only goes up and down."""

from __future__ import annotations

from typing import NamedTuple

_WINDOW_SAMPLES, _LEAST_WINDOWS = 10, 6
_RISE_BYTES = 1 << 20
_LEAST_SHARE, _LEAST_BYTES = 1.2, 256 << 20


class Growth(NamedTuple):
    """Memory that rose all the way between two steps."""

    first_step: int
    last_step: int
    grown_bytes: int

    @property
    def bytes_per_step(self) -> float:
        """What a step left behind."""
        return self.grown_bytes / max(1, self.last_step - self.first_step)


class MemoryWatch:
    """Looks at samples of a process's memory, about one a second, for a rise that does not end.

    Samples are taken ten at a time, and the least of them counts: what is freed again, as after an
    epoch's end, is no rise. At least six of these in a row have to rise, and all of them together
    by a fifth and 256 MiB: what is set up in the first minute, and caches that fill up, are soon
    done.
    """

    def __init__(self) -> None:
        self._window: list[tuple[int, int]] = []
        self._rising: list[tuple[int, int]] = []
        self._told_bytes = 0

    def observe(self, step: int, memory_bytes: int) -> Growth | None:
        """The rise that a sample completes, if it does; told again where memory has doubled."""
        self._window.append((memory_bytes, step))
        if len(self._window) < _WINDOW_SAMPLES:
            return None
        low = min(self._window)
        self._window = []
        if self._rising and low[0] < self._rising[-1][0] + _RISE_BYTES:
            self._rising = []
        self._rising.append(low)
        (first_bytes, first_step), (last_bytes, last_step) = self._rising[0], low
        is_leak = (
            len(self._rising) >= _LEAST_WINDOWS
            and last_bytes >= first_bytes * _LEAST_SHARE
            and last_bytes >= first_bytes + _LEAST_BYTES
            and last_bytes >= 2 * self._told_bytes
        )
        if not is_leak:
            return None
        self._told_bytes = last_bytes
        return Growth(first_step, last_step, last_bytes - first_bytes)
