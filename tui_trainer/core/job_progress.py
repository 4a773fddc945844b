"""How far a job is: the figures of its progress lines, its pace and the time it has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

_SPAN_S = 5.0
# A pace measured over less is one of the clock and of what was read ahead.
_LEAST_SPAN_S = 0.5


class JobProgress(NamedTuple):
    """So many of `total` units are done; `text` says of what."""

    text: str
    done: int
    total: int
    unit: str

    @property
    def share(self) -> float:
        """What is done of the whole, 0 to 1."""
        return min(1.0, self.done / self.total)


def read_figures(line: Mapping[str, Any]) -> JobProgress | None:
    """The figures of a progress line; None where it has only text."""
    done, total = line.get("done"), line.get("total")
    if type(done) is not int or type(total) is not int or total <= 0 or done < 0:
        return None
    return JobProgress(str(line.get("text", "")), done, total, str(line.get("unit", "samples")))


class Pace:
    """Units a second over the last seconds, of one text; what was done before it began is none."""

    def __init__(self) -> None:
        self._text = ""
        self._points: deque[tuple[float, int]] = deque()

    def add(self, progress: JobProgress, now_s: float) -> None:
        """Take what is done at a time."""
        if progress.text != self._text or (self._points and progress.done < self._points[-1][1]):
            self._text = progress.text
            self._points.clear()
        self._points.append((now_s, progress.done))
        while len(self._points) > 2 and now_s - self._points[1][0] > _SPAN_S:
            self._points.popleft()

    @property
    def per_s(self) -> float | None:
        """The pace, None while it cannot be told."""
        if len(self._points) < 2:
            return None
        (since_s, first), (now_s, last) = self._points[0], self._points[-1]
        span_s = now_s - since_s
        return (last - first) / span_s if span_s >= _LEAST_SPAN_S and last > first else None

    def left_s(self, progress: JobProgress) -> float | None:
        """Seconds until all is done, None while it cannot be told."""
        per_s = self.per_s
        return max(0, progress.total - progress.done) / per_s if per_s else None
