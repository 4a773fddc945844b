"""The writer's side of the event log: it mends, appends whole lines, and waits for room."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tui_trainer.core.event_lines import MAX_LINE_BYTES, decode_line, encode_line
from tui_trainer.core.events import Event
from tui_trainer.core.sealed_json import Damage
from tui_trainer.errors import DiskFullError, StorageError
from tui_trainer.store.atomic import fsync_folder
from tui_trainer.store.event_log import EventLogReader

# Of events that wait for room on a full disk: hours of a usual run.
_MOST_WAITING_BYTES = 64 << 20


class EventLogWriter:
    """Appends events to a log as whole lines, each with the next sequence number.

    A torn tail, left by a writer that was killed, is cut off before the first append; a whole
    last line that only lacks its line end is given it. While the disk is full lines wait in
    memory, and are written in order when there is room again.
    """

    def __init__(self, path: Path) -> None:
        """Open the log at `path`, or make it.

        Raises:
            StorageError: it cannot be made, read or mended.
        """
        self.path = path
        self._waiting = b""
        self._has_torn_tail = False
        self._has_durable_name = False
        self._failed_to_sync = False
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise self._failure(_reason(error)) from error
        try:
            self.size = os.fstat(self._descriptor).st_size
            self.seq = self._mend()
        except BaseException as error:
            os.close(self._descriptor)
            if isinstance(error, OSError):
                raise self._failure(_reason(error)) from error
            raise

    def append(self, event: Event) -> Event:
        """Write `event` under the next sequence number; the event as written comes back.

        Raises:
            StorageError: the disk failed, or was full for so long that there is no more memory
                for what waits; the log is as it was before.
        """
        event = msgspec.structs.replace(event, seq=self.seq + 1)
        line = encode_line(event)
        if not self._write(self._waiting + line):
            if len(self._waiting) + len(line) > _MOST_WAITING_BYTES:
                raise self._failure("the disk is full")
            self._waiting += line
        self.seq = event.seq
        return event

    @property
    def is_waiting(self) -> bool:
        """Whether events wait in memory for room on the disk."""
        return bool(self._waiting)

    def flush(self) -> bool:
        """Write what waits, if there is room now; False if it waits still.

        Raises:
            StorageError: the disk failed.
        """
        return not self._waiting or self._write(self._waiting)

    def sync(self) -> None:
        """Make everything appended so far outlive a power cut.

        Raises:
            StorageError: the disk failed, now or before; what is durable is not known.
        """
        if self._failed_to_sync:
            # Asked again, the system says that all is well: it forgot what it could not write.
            raise self._failure("an earlier part of it was lost")
        try:
            os.fsync(self._descriptor)
            if not self._has_durable_name:
                fsync_folder(self.path.parent)
                self._has_durable_name = True
        except OSError as error:
            self._failed_to_sync = True
            raise self._failure(_reason(error)) from error

    def close(self) -> None:
        """Sync and close; nothing can be appended after.

        Raises:
            StorageError: the disk failed, or events still wait for room and are lost.
        """
        try:
            if not self.flush():
                raise self._failure("the disk is full")
            self.sync()
        finally:
            os.close(self._descriptor)

    def _write(self, content: bytes) -> bool:
        """Write `content`, which begins with all that waits; False while the disk is full."""
        try:
            self._cut_torn_tail()
            self._has_torn_tail = True
            written = os.write(self._descriptor, content)
            if written == len(content):
                self._has_torn_tail = False
                self.size += written
                self._waiting = b""
                return True
            # What a disk that fills up in the middle does; the rest would fail.
            self._cut_torn_tail()
            return False
        except OSError as error:
            if error.errno in DiskFullError.numbers:
                return False
            raise self._failure(_reason(error)) from error

    def _cut_torn_tail(self) -> None:
        """Take back what a write that failed may have left."""
        if self._has_torn_tail:
            os.ftruncate(self._descriptor, self.size)
            self._has_torn_tail = False

    def _failure(self, reason: str) -> StorageError:
        return StorageError(
            f"The event log {self.path} could not be written: {reason}.",
            "Free some space or mend the disk, then resume the run.",
        )

    def _mend(self) -> int:
        """Leave the log ending on a whole line; return its last sequence number."""
        tail, start = b"", self.size
        while start and b"\n" not in tail:
            # A torn tail can be longer than a line: a power cut may leave a run of zeros.
            start = max(0, start - 2 * MAX_LINE_BYTES)
            tail = os.pread(self._descriptor, self.size - start, start)
        last_end = tail.rfind(b"\n") + 1
        rest = tail[last_end:]
        if rest:
            # Of a whole line only the end may be missing, or something else stand in its place.
            found = (
                line for line in (rest, rest[:-1]) if not isinstance(decode_line(line), Damage)
            )
            whole = next(found, b"")
            self.size = start + last_end + len(whole)
            os.ftruncate(self._descriptor, self.size)
            if whole and not self._write(b"\n"):
                raise self._failure("the disk is full")
            tail = tail[: last_end + len(whole)]
        for line in reversed(tail.split(b"\n")):
            decoded = decode_line(line) if line else Damage("empty")
            if not isinstance(decoded, Damage):
                return decoded.seq
        return self._last_seq_of_whole_log()

    def _last_seq_of_whole_log(self) -> int:
        reader = EventLogReader(self.path)
        while not reader.read().at_end:
            continue
        return reader.seq


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
