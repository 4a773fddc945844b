"""Reading files in whose place something else may stand: a pipe, a device, or far too much.

A run's folder may belong to anybody. Whoever reads it must not wait for ever for what is no file,
nor take all memory for what should be a page.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 4 << 20
"""Read at most of a file that is read whole, where nothing else is said."""


def open_plain(path: Path | str) -> int:
    """A descriptor to read a file by, never one of a pipe or a device.

    Raises:
        OSError: it is missing, forbidden, or no regular file.
    """
    descriptor, _ = open_with_status(path)
    return descriptor


def open_with_status(path: Path | str) -> tuple[int, os.stat_result]:
    """A descriptor as of `open_plain`, and what the system tells of the file.

    Raises:
        OSError: it is missing, forbidden, or no regular file.
    """
    # Without waiting: a pipe is opened by whoever writes to it, if anybody does.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    raise OSError(errno.EINVAL, "Not a regular file", str(path))


def read_plain(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """What stands in a file.

    Raises:
        OSError: it is missing, forbidden, no regular file, or larger than `most_bytes`.
    """
    with open(open_plain(path), "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def signature_of(path: str | Path) -> object:
    """What is another once the file has changed; an error's number where it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno
    return status.st_ino, status.st_size, status.st_mtime_ns
