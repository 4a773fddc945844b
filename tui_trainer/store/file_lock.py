"""A lock on a file that is waited for; it is free when the last process that holds it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_MISSING = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_LOOK_S = 0.1


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock on `path` for the block; `on_wait` is called once if another holds it.

    Processes that are forked in the block hold it too. Where the file system has no locks the
    block is run without one. The file is gone again when the block is left.

    Raises:
        OSError: the file cannot be written.
    """
    descriptor = _take(path, on_wait)
    try:
        yield
    finally:
        # While it is held: whoever waits for it finds that it is another file's lock, and goes on
        # to that one. Where it may not be deleted, it stays, and does as well.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock on `path` now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # It is not there, or is a stranger's.
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # There are no locks here.
        return False
    finally:
        os.close(descriptor)
    return False


def _take(path: Path, on_wait: Callable[[], object]) -> int:
    """The descriptor of the file that lies at `path` once its lock is ours."""
    has_told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _is_taken(descriptor):
                if not has_told:
                    on_wait()
                    has_told = True
                time.sleep(_LOOK_S)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still lies there: who held its lock before deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _is_taken(descriptor: int) -> bool:
    """Whether the lock is ours now, or there are none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _MISSING:
            raise
    return True
