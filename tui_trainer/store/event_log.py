"""The event log on disk: one writer, any number of readers that tail it.

A reader never raises on damage: it returns what is whole and counts what is not. A last line
without its line end counts if its CRC is right (the next writer mends it) and is otherwise taken
as not yet written.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tui_trainer.core.event_lines import MAX_LINE_BYTES, Unknown, decode_line
from tui_trainer.core.events import SCHEMA_VERSION, Event
from tui_trainer.core.sealed_json import Damage
from tui_trainer.store.plain_file import open_plain

_READ_BYTES = 1 << 20


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
            descriptor = open_plain(self.path)
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
        with open(open_plain(path), "rb") as file:
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
