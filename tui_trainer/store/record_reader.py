"""Reading many runs again and again, each log only when it has grown."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from tui_trainer import paths
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import LogFold, RunState
from tui_trainer.core.sealed_json import Damage, encode_sealed, open_sealed
from tui_trainer.store.lease import look
from tui_trainer.store.run_folder import RunFolder, make_record, read_annotations, read_fold

Stored = Mapping[str, tuple[str, bytes]]


class _Entry(msgspec.Struct, frozen=True):
    # Its run and signature again, under the entry's own CRC.
    key: str
    fold: LogFold
    annotations: Annotations


_entry_decoder = msgspec.json.Decoder(_Entry, strict=False)


class RecordReader:
    """Gives the records of runs, from what it read before where the files are the same."""

    def __init__(self, stored: Stored | None = None) -> None:
        """`stored` are entries of the index, by run: (signature, content)."""
        self._stored = stored or {}
        self._entries: dict[str, _Entry] = {}
        self._unstored: dict[str, tuple[str, _Entry]] = {}

    def read(self, folder: RunFolder) -> RunRecord:
        """The run as it is now; one that the system refuses to read says so in `problem`."""
        try:
            # The lease before the log: see `derive_state`.
            lease = look(folder.path)
            signature = _signature(folder)
            key = f"{folder.run} {signature}"
            entry = self._entries.get(folder.run) or _decode(self._stored.get(folder.run))
            if entry is None or entry.key != key:
                entry = _Entry(key, read_fold(folder.path), read_annotations(folder.path))
                # A live run is another one at the next look: to store it would wear the disk.
                if not lease.held:
                    self._unstored[folder.run] = (signature, entry)
            self._entries[folder.run] = entry
            return make_record(folder, entry.fold, entry.annotations, lease)
        except OSError as error:
            return unreadable_record(folder, error)

    @property
    def stored_runs(self) -> list[str]:
        """The runs that the index has entries of."""
        return list(self._stored)

    def take_unstored(self) -> dict[str, tuple[str, bytes]]:
        """Entries for the index that it has not, each given once."""
        unstored, self._unstored = self._unstored, {}
        return {
            run: (signature, encode_sealed(entry)) for run, (signature, entry) in unstored.items()
        }


def _signature(folder: RunFolder) -> str:
    parts = []
    for name in (paths.EVENTS, paths.ANNOTATIONS):
        try:
            status = os.stat(folder.path / name)
            parts.append(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        except FileNotFoundError:
            parts.append("-")
    return " ".join(parts)


def _decode(stored: tuple[str, bytes] | None) -> _Entry | None:
    if stored is None:
        return None
    try:
        content = open_sealed(stored[1])
        return None if isinstance(content, Damage) else _entry_decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def unreadable_record(folder: RunFolder, error: OSError) -> RunRecord:
    """A run that the system refuses to read."""
    return RunRecord(
        run=folder.run,
        path=str(folder.path),
        state=RunState.UNKNOWN,
        snapshot=LogFold().snapshot,
        annotations=Annotations(),
        problem=f"{error.filename or folder.path}: {error.strerror}",
    )
