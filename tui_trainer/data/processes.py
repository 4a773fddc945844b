"""The processes that read data: how many there may be, and that none outlives who started it."""

from __future__ import annotations

import os
import signal
import threading
import time

_WATCH_S = 0.2


def allowed_cores() -> int:
    """Cores that the system lets this process run on, those of hyper-threads among them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent(parent: int) -> None:
    """End this process, from a thread, once `parent` is not its parent any more.

    It would wait for work for ever, and hold what it inherited, such as a lock.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)
