"""The directory at the end of a zip archive, looked at before anything of it is believed."""

from __future__ import annotations

import os
import struct
import zipfile
from typing import IO

# Read whole, and made into objects that take several times as much.
_MOST_DIRECTORY_BYTES = 32 << 20
_END, _END_BYTES = b"PK\5\6", 22
_LOCATOR, _LOCATOR_BYTES = b"PK\6\7", 20
_END_64, _END_64_BYTES = b"PK\6\6", 56
_LOCAL_HEADER_BYTES = 30
_MOST_COMMENT_BYTES = 1 << 16


def check_zip(raw: IO[bytes]) -> None:
    """Make sure that the directory is of a size to be read, and that no two members overlap.

    Overlapping members are how a small archive comes to hold far more than any ratio tells.

    Raises:
        zipfile.BadZipFile: it is not so.
    """
    if _directory_bytes(raw) > _MOST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile("its list of members is too long")
    raw.seek(0)
    with zipfile.ZipFile(raw) as archive:
        end = archive.start_dir
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset, reverse=True):
            taken = _LOCAL_HEADER_BYTES + len(info.orig_filename) + info.compress_size
            if info.header_offset + taken > end:
                raise zipfile.BadZipFile("members of it overlap")
            end = info.header_offset
    raw.seek(0)


def _directory_bytes(raw: IO[bytes]) -> int:
    """How long the list of members says to be."""
    size_bytes = raw.seek(0, os.SEEK_END)
    tail_bytes = min(size_bytes, _END_BYTES + _MOST_COMMENT_BYTES + _LOCATOR_BYTES)
    raw.seek(size_bytes - tail_bytes)
    tail = raw.read(tail_bytes)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_BYTES:
        raise zipfile.BadZipFile("its list of members is missing")
    (length,) = struct.unpack_from("<L", tail, place + 12)
    locator = tail[place - _LOCATOR_BYTES : place] if place >= _LOCATOR_BYTES else b""
    if not locator.startswith(_LOCATOR):
        return int(length)
    (offset,) = struct.unpack_from("<Q", locator, 8)
    raw.seek(min(offset, size_bytes))
    record = raw.read(_END_64_BYTES)
    if not record.startswith(_END_64) or len(record) < _END_64_BYTES:
        raise zipfile.BadZipFile("its list of members is damaged")
    return int(struct.unpack_from("<Q", record, 40)[0])
