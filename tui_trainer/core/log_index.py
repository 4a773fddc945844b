"""Where in a log the steps of a run stand, so that a part of it can be read again."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

_MOST_ENTRIES = 1 << 12
_FIRST_SPACING_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A line end of the log, and what the lines before it had reached.

    Who reads on from `offset` meets every step of the live branch after `step`.
    """

    step: int = 0
    offset: int = 0
    seq: int = 0
    elapsed_s: float = 0.0
    t: float = 0.0
    steps_per_epoch: int = 0


class LogIndex:
    """Places of the live branch at some distance from one another; a bounded number of them."""

    def __init__(self) -> None:
        self._places = [LogPlace()]
        self._spacing_bytes = _FIRST_SPACING_BYTES

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: LogPlace) -> None:
        """Note a place, unless the last one is near."""
        if place.offset < self._places[-1].offset + self._spacing_bytes:
            return
        self._places.append(place)
        if len(self._places) > _MOST_ENTRIES:
            del self._places[1::2]
            self._spacing_bytes *= 2

    def cut(self, after_step: int, place: LogPlace) -> None:
        """The log goes on from `after_step`: it said so somewhere behind `place`."""
        kept = bisect_right(self._places, after_step, key=lambda known: known.step)
        self._places = [*self._places[:kept], replace(place, step=after_step)]

    def find(self, first: int, last: int) -> tuple[LogPlace, int | None]:
        """From where to read to meet the steps from `first` to `last`, and up to which offset.

        The offset is None where it is the end of the log.
        """
        start = bisect_right(self._places, first - 1, key=lambda known: known.step) - 1
        start = max(0, start)
        for place in self._places[start + 1 :]:
            if place.step >= last:
                return self._places[start], place.offset
        return self._places[start], None
