"""Locks that tell whether a run's processes live.

`worker.lease` and `launch.lock` are POSIX record locks: the kernel frees them when their process
ends, however it ends, and children do not inherit them. Closing any descriptor of such a file
drops the lock, so a holder opens it once, and a reader only asks (F_GETLK) who holds it.
`tree.lock` is a `flock`, which children do inherit: it is free when the last of them is gone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading
import time
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.run_state import LeaseView
from tui_trainer.errors import RunStateError, StorageError
from tui_trainer.store.plain_file import open_plain

# struct flock: the fields and their order differ between Linux and macOS.
_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi"
_SESSION_BYTES = 64
_LOCKS_MISSING = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

# Files this process holds locks on, by device and inode, with their notes: to open one again,
# by whatever path, would drop its lock. A forked child holds none of them.
_held_here: dict[tuple[int, int], str] = {}
# A thread must not open a file between another's opening it and noting here that it did.
_opening = threading.RLock()


def _begin_in_child() -> None:
    global _opening
    _opening = threading.RLock()
    _held_here.clear()


os.register_at_fork(after_in_child=_begin_in_child)


class RecordLock:
    """A POSIX lock on a whole file, held until `release` or the end of the process."""

    def __init__(self, path: Path, note: str = "") -> None:
        """Take the lock on `path` and write `note` into the file.

        Raises:
            BlockingIOError: another process holds it.
        """
        with _opening:
            self._acquire(path, note)

    def _acquire(self, path: Path, note: str) -> None:
        if _identity(path) in _held_here:
            raise BlockingIOError(errno.EAGAIN, "held by this process", str(path))
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BlockingIOError(errno.EAGAIN, "held", str(path)) from error
            raise
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, note.encode(), 0)
        except OSError:
            os.close(self._descriptor)
            raise
        status = os.fstat(self._descriptor)
        self._key = (status.st_dev, status.st_ino)
        _held_here[self._key] = note

    def release(self) -> None:
        """Free the lock; the file stays."""
        if _held_here.pop(self._key, None) is not None:
            os.close(self._descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def holder_of(path: Path) -> tuple[bool | None, int, str]:
    """Who holds the record lock on `path`: (held, pid, note). `held` is None without locks."""
    with _opening:
        return _ask_holder(path)


def _ask_holder(path: Path) -> tuple[bool | None, int, str]:
    key = _identity(path)
    if key in _held_here:
        return True, os.getpid(), _held_here[key]
    try:
        descriptor = open_plain(path)
    except FileNotFoundError:
        return False, 0, ""
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _flock_question())
        pid = _holder_pid(answer)
        note = os.pread(descriptor, _SESSION_BYTES, 0).decode("ascii", "replace")
    except OSError as error:
        if error.errno in _LOCKS_MISSING:
            return None, 0, ""
        raise
    finally:
        os.close(descriptor)
    return (pid is not None), pid or 0, note


def _flock_question() -> bytes:
    if sys.platform == "darwin":
        return struct.pack(_FLOCK, 0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def _holder_pid(answer: bytes) -> int | None:
    fields = struct.unpack(_FLOCK, answer[: struct.calcsize(_FLOCK)])
    lock_type, pid = (fields[3], fields[2]) if sys.platform == "darwin" else (fields[0], fields[4])
    return None if lock_type == fcntl.F_UNLCK else pid


def look(run: Path) -> LeaseView:
    """What the locks of the run in folder `run` tell now."""
    # The launch lock first: the launcher lets go of it only once the worker has the lease, so
    # in this order a run that is being started is never seen as held by neither.
    launching, launcher, launched = holder_of(run / paths.LAUNCH_LOCK)
    held, pid, session = holder_of(run / paths.WORKER_LEASE)
    return LeaseView(
        held=held,
        session=session,
        launching=bool(launching),
        launched=launched if launching else "",
        pid=pid or launcher,
    )


def check_free(run: Path) -> None:
    """Make sure that no worker is at work on the run.

    Raises:
        RunStateError: one is; it says which.
    """
    held, pid, _ = holder_of(run / paths.WORKER_LEASE)
    if held:
        raise RunStateError(
            f"{run.name} is already being trained by process {pid}.",
            f"Watch it with: tuitrain attach {run.name}.",
        )


def acquire_lease(run: Path, session: str, *, force: bool = False) -> RecordLock | None:
    """Become the one worker of the run; with `force` also where locks do not work (then None).

    Raises:
        RunStateError: another worker holds it, or locks do not work.
        StorageError: the file that is locked cannot be written.
    """
    while True:
        try:
            return acquire_where_possible(run / paths.WORKER_LEASE, session, force=force)
        except BlockingIOError:
            # Another worker holds it, if it has not ended since.
            check_free(run)


def acquire_launch(run: Path, session: str, *, force: bool = False) -> RecordLock | None:
    """Become the one who starts a worker, of `session`; with `force` as `acquire_lease`.

    Raises:
        RunStateError: a worker holds the run or is being started, or locks do not work.
        StorageError: the file that is locked cannot be written.
    """
    path = run / paths.LAUNCH_LOCK
    while True:
        check_free(run)
        try:
            lock = acquire_where_possible(path, session, force=force)
        except BlockingIOError:
            launching, launcher, _ = holder_of(path)
            if launching:
                raise RunStateError(
                    f"{run.name} is being started by another tuitrain, process {launcher}.",
                    f"Watch it with: tuitrain attach {run.name}.",
                ) from None
            continue
        try:
            # Once more: someone may have started a worker, and let go of this lock, since.
            check_free(run)
        except RunStateError:
            if lock is not None:
                lock.release()
            raise
        return lock


def acquire_where_possible(path: Path, note: str = "", *, force: bool) -> RecordLock | None:
    """The lock on `path`; with `force`, None where the file system has no locks.

    Raises:
        BlockingIOError: another process holds it.
        RunStateError: the file system has no locks.
        StorageError: the file cannot be written.
    """
    try:
        return RecordLock(path, note)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _LOCKS_MISSING:
            raise _unwritable(path, error) from error
        if force:
            return None
        raise RunStateError(
            f"It cannot be known whether {path.parent.name} is being trained: "
            "locks do not work there.",
            "Make sure that it is not, then repeat with --force.",
        ) from error


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path.parent.name} cannot be trained: {path} cannot be written: {error.strerror}.",
        "Mend the permissions or free some space, or copy its folder to where you may write.",
    )


def acquire_tree(run: Path, *, wait_s: float = 10.0) -> int | None:
    """Hold `tree.lock` for this process and its children; the descriptor comes back.

    None comes back where the file system has no locks.

    Raises:
        RunStateError: children of an earlier session still live after `wait_s`.
        StorageError: the file that is locked cannot be written.
    """
    path = run / paths.TREE_LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise RunStateError(
                    f"Processes of an earlier session of {run.name} are still alive.",
                    "Wait for them to end, or end them, then resume.",
                ) from None
            time.sleep(0.05)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _LOCKS_MISSING:
                return None
            raise
