"""The stamps of the files that an unfinished dataset was read from, kept as it grows."""

from __future__ import annotations

import os
from pathlib import Path

from tui_trainer.store.plain_file import read_plain
from tui_trainer.store.source_stamps import MOST_LIST_BYTES, STAMP_LIST, any_differs


class StampLog:
    """Records as of `list_stamps`, in the order in which blocks came."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / STAMP_LIST
        self._records = bytearray()
        self._kept_bytes = 0

    @property
    def records(self) -> bytes:
        """All of them."""
        return bytes(self._records)

    @property
    def kept_bytes(self) -> int:
        """How much of the file is durable."""
        return self._kept_bytes

    def recall(self, kept_bytes: int) -> bool:
        """Take up what was kept; False if one of those files is another now, or it is gone."""
        if not kept_bytes:
            return True
        try:
            records = read_plain(self._file, MOST_LIST_BYTES)[:kept_bytes]
            if len(records) < kept_bytes or any_differs(records):
                return False
        except (OSError, ValueError):
            # It cannot be known what was read before.
            return False
        self._records, self._kept_bytes = bytearray(records), kept_bytes
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._records.clear()
        self._kept_bytes = 0

    def append(self, records: bytes) -> None:
        """Take the stamps of one more block."""
        self._records += records

    def flush(self) -> None:
        """Make durable what was appended.

        Raises:
            OSError: it cannot be written.
        """
        if len(self._records) == self._kept_bytes:
            return
        with open(self._file, "r+b" if self._kept_bytes else "wb") as file:
            file.seek(self._kept_bytes)
            file.write(self._records[self._kept_bytes :])
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._kept_bytes = len(self._records)
