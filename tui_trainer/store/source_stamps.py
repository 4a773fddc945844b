"""Size and time of change of every file that a dataset was prepared from, where they are many.

A manifest holds the stamps of up to `MOST_STAMPS` files. Those of more, and of files whose name is
no text, stand in the dataset's file `STAMP_LIST`. Its records end in a zero byte, which no path
has: the path of a folder, which begins with a slash, and after it for each file there
`SIZE MTIME_NS NAME`. Lists one after the other are a list.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.dataset_reference import parse_reference
from tui_trainer.core.specs import DatasetSpec, SourceFacts
from tui_trainer.store.plain_file import read_plain

MOST_STAMPS = 2000
STAMP_LIST = "source-files.list"

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds of a file or folder, links followed."""

ABSENT: Stamp = (-1, -1)
"""The stamp of what is not there."""

MOST_LIST_BYTES = 1 << 30


def stamp_present(path: str | bytes | Path) -> Stamp:
    """The stamp of a file or folder that may be missing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        # Why it cannot be looked at is told by whoever reads it.
        return ABSENT
    return status.st_size, status.st_mtime_ns


def list_stamps(stamps: Iterable[tuple[str, Stamp]]) -> bytes:
    """The records of the stamps of absolute paths; those of one folder best come together."""
    records, last_folder = bytearray(), None
    # There may be a million: what `os.path` does takes more time than looking at the file.
    for path, (size, changed_ns) in stamps:
        folder, _, name = path.rpartition("/")
        if folder != last_folder:
            records += os.fsencode(folder or "/") + b"\0"
            last_folder = folder
        records += os.fsencode(f"{size} {changed_ns} {name}\0")
    return bytes(records)


def few_differ(source: SourceFacts) -> bool:
    """Whether one of the files whose stamps stand in the manifest is another now."""
    named = _named_paths(source.reference)
    return any(
        _differs(path, stamp)
        for path, stamp in source.stamps.items()
        # What a person named and is gone cannot be prepared again: what was prepared stays good.
        if path not in named or os.path.lexists(path)
    )


def listed_differ(folder: Path, spec: DatasetSpec) -> bool:
    """Whether one of the files in the dataset's list is another now, or the list is damaged."""
    if STAMP_LIST not in spec.files:
        return False
    try:
        records = read_plain(folder / STAMP_LIST, MOST_LIST_BYTES)
        is_whole = hashlib.sha256(records).hexdigest() == spec.files[STAMP_LIST]
        return not is_whole or any_differs(records)
    except (OSError, ValueError):
        # Whoever prepares it again finds it damaged.
        return True


def any_differs(records: bytes) -> bool:
    """Whether a file of a list is another now.

    Raises:
        ValueError: it is no such list.
    """
    folder, start = b"", 0
    while (end := records.find(b"\0", start)) >= 0:
        record = records[start:end]
        start = end + 1
        if record.startswith(b"/"):
            folder = record
            continue
        size, changed_ns, name = record.split(b" ", 2)
        if _differs(os.path.join(folder, name), (int(size), int(changed_ns))):
            return True
    return False


def _differs(path: str | bytes, stamp: Stamp) -> bool:
    """Whether a file or folder is another than when it was stamped.

    One that is gone is, unless the folder that it was in is gone, too. What cannot be looked at
    now is taken to be as it was.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return stamp != ABSENT and os.path.isdir(os.path.dirname(path))
    except (OSError, ValueError):
        return False
    return (status.st_size, status.st_mtime_ns) != stamp


def _named_paths(reference: str) -> set[str]:
    """The files and folders that a reference names, as they are stamped."""
    named = set[str]()
    for part in parse_reference(reference):
        if part.format != "catalog":
            path = parse_code_name(part.name).source if part.format == "code" else part.name
            named |= {path, os.path.realpath(path)}
    return named
