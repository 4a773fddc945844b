"""Reading a part of a long log again, for the rows that were merged in memory."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tui_trainer.core.events import Event, Resumed, Steps
from tui_trainer.core.log_index import LogIndex
from tui_trainer.core.series import RunSeries
from tui_trainer.core.tables import Table
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_folder import NOT_FOLDED

StepSpan = tuple[int, int]
"""A first and a last step."""

_AROUND_STEPS = 2000
"""Read before and after what is asked for: what smoothing looks back on, and the ends of bins."""


class DetailReader:
    """The steps of one span of a run, read in bounded pieces."""

    def __init__(self, log: Path, index: LogIndex, span: StepSpan) -> None:
        self.span = span
        self._last = span[1] + _AROUND_STEPS
        first = max(1, span[0] - _AROUND_STEPS)
        place, self._end = index.find(first, self._last)
        self._first = first
        self._reader = EventLogReader(log, offset=place.offset, seq=place.seq)
        self._series = RunSeries(
            elapsed_s=place.elapsed_s, t=place.t, steps_per_epoch=place.steps_per_epoch
        )
        self.is_whole = False

    def read(self) -> None:
        """Read on by a megabyte or two."""
        batch = self._reader.read(limit_bytes=1)
        for event in batch.events:
            if not self._matters(event):
                self._series.pass_by(event)
                continue
            # What cannot be folded was counted when the log was read first.
            with contextlib.suppress(*NOT_FOLDED):
                self._series.apply(event)
        is_past = self._end is not None and self._reader.offset >= self._end
        self.is_whole = is_past or batch.at_end or batch.restarted

    def view(self) -> Table:
        """The steps that were read."""
        return self._series.view().steps.between(self._first, self._last)

    def _matters(self, event: Event) -> bool:
        """Whether it tells of the span; to fold more would merge what is to be shown whole."""
        if isinstance(event, Steps):
            return event.first <= self._last and event.first + len(event.loss) > self._first
        return isinstance(event, Resumed)
