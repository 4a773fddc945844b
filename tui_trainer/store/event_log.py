"""The event log on disk: one writer, any number of readers that tail it.

A reader never raises on damage: it returns what is whole and counts what is not. A last line
without its line end counts if its CRC is right (the next writer mends it) and is otherwise taken
as not yet written.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tui_trainer.core.events import (
    MAX_LINE_BYTES,
    SCHEMA_VERSION,
    Damage,
    Event,
    Unknown,
    decode_line,
    encode_line,
)
from tui_trainer.errors import DiskFullError, StorageError
from tui_trainer.store.atomic import fsync_folder

_READ_BYTES = 1 << 20

# Of events that wait for room on a full disk: hours of a usual run.
_MOST_WAITING_BYTES = 64 << 20


class Batch(msgspec.Struct, kw_only=True):
    """What one read of the log brought.

    `damaged` counts lines that are not as they were written, `missing` the sequence numbers that
    were skipped; `newer_version` is the highest schema version met that is above ours;
    `restarted` says that the log was replaced and everything read before is void.
    """

    events: list[Event] = []
    damaged: int = 0
    missing: int = 0
    newer_version: int = 0
    restarted: bool = False
    at_end: bool = True


class EventLogReader:
    """Reads a log from `offset` on, as far as it is written, each time it is asked."""

    def __init__(self, path: Path, *, offset: int = 0, seq: int = 0) -> None:
        self.path = path
        self.offset = offset
        self.seq = seq
        self._inode: int | None = None
        self._line_end_due = False
        self._skips_to_line_end = False

    def read(self, limit_bytes: int = 64 * _READ_BYTES) -> Batch:
        """The events appended since the last read, about `limit_bytes` of them at most."""
        batch = Batch()
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return batch
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if self._inode is None and self.offset and status.st_size >= self.offset:
                self._line_end_due = os.pread(descriptor, 1, self.offset - 1) != b"\n"
            if self._was_replaced(descriptor, status):
                self.offset, self.seq = 0, 0
                self._line_end_due = self._skips_to_line_end = False
                batch.restarted = True
            self._inode = status.st_ino
            file.seek(self.offset)
            taken = 0
            while taken < limit_bytes:
                content = file.read(_READ_BYTES + MAX_LINE_BYTES)
                used = self._take(content, batch)
                taken += used
                if not used or len(content) < _READ_BYTES:
                    return batch
                file.seek(self.offset)
        batch.at_end = False
        return batch

    def _was_replaced(self, descriptor: int, status: os.stat_result) -> bool:
        if self._inode is not None and self._inode != status.st_ino:
            return True
        if self._line_end_due and os.pread(descriptor, 1, self.offset) not in (b"", b"\n"):
            return True
        return status.st_size < self.offset

    def _take(self, content: bytes, batch: Batch) -> int:
        """Decode the lines in `content`, which starts at `offset`; say how many bytes were used."""
        start = 0
        if self._line_end_due and content:
            self._line_end_due = False
            start = 1
        if self._skips_to_line_end:
            start = content.find(b"\n") + 1 or len(content)
            self._skips_to_line_end = not content[:start].endswith(b"\n")
        while start < len(content):
            end = content.find(b"\n", start)
            if end < 0:
                start += self._take_unended(content[start:], batch)
                break
            self._accept(decode_line(content[start:end]), batch)
            start = end + 1
        self.offset += start
        return start

    def _take_unended(self, rest: bytes, batch: Batch) -> int:
        if len(rest) > MAX_LINE_BYTES:
            batch.damaged += 1
            self._skips_to_line_end = True
            return len(rest)
        decoded = decode_line(rest)
        self._line_end_due = not isinstance(decoded, Damage)
        if isinstance(decoded, Damage):
            decoded = decode_line(rest[:-1])
            if isinstance(decoded, Damage):
                return 0
            # The line is whole, and something else stands where it ends.
            batch.damaged += 1
        self._accept(decoded, batch)
        return len(rest)

    def _accept(self, decoded: Event | Unknown | Damage, batch: Batch) -> None:
        if isinstance(decoded, Damage):
            batch.damaged += 1
            return
        if decoded.seq > self.seq + 1:
            batch.missing += decoded.seq - self.seq - 1
        self.seq = max(self.seq, decoded.seq)
        if isinstance(decoded, Unknown):
            newer = decoded.v if decoded.v > SCHEMA_VERSION else 0
            batch.newer_version = max(batch.newer_version, newer)
        else:
            batch.events.append(decoded)


def event_before(path: Path, offset: int) -> Event | Unknown | Damage:
    """The event in the line of the log that ends at `offset`."""
    try:
        with open(path, "rb") as file:
            if not 0 < offset <= os.fstat(file.fileno()).st_size:
                return Damage("outside the log")
            start = max(0, offset - MAX_LINE_BYTES - 1)
            file.seek(start)
            content = file.read(offset - start)
    except OSError as error:
        return Damage(str(error))
    if not content.endswith(b"\n"):
        return Damage("no line ends there")
    return decode_line(content[content.rfind(b"\n", 0, -1) + 1 :])


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
