"""Following a run over its folder alone, from wherever its log ends now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tui_trainer.core.events import Event
from tui_trainer.core.run_record import RunRecord
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.lease import look
from tui_trainer.store.run_folder import (
    RunFolder,
    fold_batch,
    make_record,
    read_annotations,
    read_fold,
)

_POLL_S = 0.1


class Follower:
    """Reads what is new in a run, from the end of its log as it is now."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._fold = read_fold(folder.path)
        self._reader = EventLogReader(
            folder.events, offset=self._fold.offset, seq=self._fold.snapshot.seq
        )
        self._annotations = read_annotations(folder.path)

    def now(self) -> RunRecord:
        """The run as it was when it was last looked at."""
        lease = look(self._folder.path)
        return make_record(self._folder, self._fold, self._annotations, lease)

    def poll(self) -> tuple[list[Event], RunRecord]:
        """The new events, and the run as it is after them."""
        lease = look(self._folder.path)
        batch = self._reader.read()
        self._fold = fold_batch(self._fold, batch, self._reader.offset)
        record = make_record(self._folder, self._fold, self._annotations, lease)
        return batch.events, record

    def until(
        self, is_over: Callable[[RunRecord], bool]
    ) -> Iterator[tuple[list[Event], RunRecord]]:
        """Every poll, until one after which `is_over` holds."""
        while True:
            events, record = self.poll()
            yield events, record
            if is_over(record):
                return
            time.sleep(_POLL_S)
