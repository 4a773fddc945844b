"""The writer's side of a run folder, usable by any training script.

One object per session holds the run's event log open, stamps each event, keeps the run's clock,
and replaces `summary.json` now and then so that readers have little to replay.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from tui_trainer import paths
from tui_trainer.core.events import (
    CheckpointSaved,
    Event,
    Failed,
    Finished,
    Message,
    SessionStart,
    Stopped,
)
from tui_trainer.core.format import format_duration
from tui_trainer.core.run_state import LogFold, apply
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.errors import RunStateError, StorageError
from tui_trainer.store.atomic import replace_file, sweep_replacements
from tui_trainer.store.event_writer import EventLogWriter
from tui_trainer.store.run_folder import read_fold

# How much of the log a reader may have to replay, for a summary is dear: a file and a rename.
_SUMMARY_EVERY_S = 1.0
_SUMMARY_EVERY_BYTES = 64 << 10
_ROOM_POLL_S = 0.2
_SYNCED = (SessionStart, CheckpointSaved, Finished, Stopped, Failed)


class RunClock:
    """Seconds of training, over all sessions, without pauses; it stands still until started."""

    def __init__(self, elapsed_s: float) -> None:
        self._before_s = elapsed_s
        self._since: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Training time so far."""
        running_s = 0.0 if self._since is None else time.monotonic() - self._since
        return self._before_s + running_s

    def pause(self) -> None:
        """Stop counting."""
        self._before_s, self._since = self.elapsed_s, None

    def unpause(self) -> None:
        """Count again."""
        if self._since is None:
            self._since = time.monotonic()


class RunWriter:
    """Writes the events of one session of a run.

    Raises:
        RunStateError: a newer version of the program wrote the run, so it is read-only here.
        StorageError: the event log cannot be read or written.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        try:
            before = read_fold(run)
        except OSError as error:
            raise StorageError(
                f"The event log of {run.name} cannot be read: {error.strerror or error}.",
                "Mend the disk or the rights of the run folder, then resume the run.",
            ) from error
        if before.newer_version:
            raise RunStateError(
                f"{run.name} was written by a newer version of tuitrain.",
                "Update tuitrain to go on with it.",
            )
        sweep_replacements(run / paths.SUMMARY)
        self._log = EventLogWriter(run / paths.EVENTS)
        # Opening may have mended the log's end, which changes nothing but where it is.
        self._fold = replace(before, offset=self._log.size)
        self.clock = RunClock(self._fold.snapshot.elapsed_s)
        self._summary_due, self._summary_due_bytes = 0.0, 0
        self._full_since_s: float | None = None

    @property
    def fold(self) -> LogFold:
        """All events of the run so far, folded."""
        return self._fold

    def emit(self, event: Event) -> None:
        """Stamp and append an event; those that change what a run is are made durable at once.

        While the disk is full, events wait in memory for room; but no session begins so.

        Raises:
            StorageError: the log cannot be written, and waiting would not help.
        """
        if isinstance(event, SessionStart):
            self.clock.unpause()
        event = replace(event, t=time.time(), elapsed_s=round(self.clock.elapsed_s, 6))
        event = self._log.append(event)
        self._fold = replace(
            self._fold, snapshot=apply(self._fold.snapshot, event), offset=self._log.size
        )
        if self._log.is_waiting and isinstance(event, SessionStart):
            raise StorageError(
                f"The disk is full: {self.run.name} cannot log that it begins.",
                "Free some space, then start or resume the run.",
            )
        self._tell_of_full_disk()
        if isinstance(event, _SYNCED):
            self._log.sync()
            self._write_summary()
        elif self._log.size >= self._summary_due_bytes and time.monotonic() >= self._summary_due:
            self._write_summary()

    def wait_for_room(self, goes_on: Callable[[], bool]) -> None:
        """Wait until a full disk has taken every event, or `goes_on` is false, or the log is gone.

        Raises:
            StorageError: the disk failed.
        """
        while not self._log.flush() and goes_on() and self._log.path.exists():
            time.sleep(_ROOM_POLL_S)
        self._fold = replace(self._fold, offset=self._log.size)
        self._tell_of_full_disk()

    def close(self) -> None:
        """Write the last summary and close the log."""
        self._write_summary()
        self._log.close()

    def _tell_of_full_disk(self) -> None:
        if self._log.is_waiting:
            self._full_since_s = self._full_since_s or time.monotonic()
        elif self._full_since_s is not None:
            lasted = format_duration(time.monotonic() - self._full_since_s)
            self._full_since_s = None
            text = f"the disk was full for {lasted}; what was to be logged meanwhile is logged now"
            self.emit(Message(text=text, level="warning"))

    def _write_summary(self) -> None:
        if self._log.is_waiting:
            # It would tell readers of events that are not in the log yet.
            return
        # Readers do without a summary; a disk too full for it must not end the run.
        with contextlib.suppress(OSError):
            replace_file(self.run / paths.SUMMARY, encode_sealed(self._fold), durable=False)
        self._summary_due = time.monotonic() + _SUMMARY_EVERY_S
        self._summary_due_bytes = self._log.size + _SUMMARY_EVERY_BYTES
