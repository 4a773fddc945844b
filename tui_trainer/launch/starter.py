"""Where processes are started from, so that they do not inherit a lowered priority.

A front end that draws may lower the priority of its own threads. On Linux each thread has one of
its own, and a process inherits that of the thread which started it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_LOW_PRIORITY = 10

_kept: list[ThreadPoolExecutor] = []


def keep_priority() -> None:
    """Start all processes from here on at the priority that the calling thread has now."""
    if not _kept:
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")
        # The thread is made by its first task, and has the priority of whoever gives that.
        pool.submit(int).result()
        _kept.append(pool)


def lower_priority() -> None:
    """Let training have the processor before this thread, and before those it makes from now on.

    Only on Linux: elsewhere the whole process would be slowed, and all that it starts.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, max(_LOW_PRIORITY, os.getpriority(os.PRIO_PROCESS, 0)))


def at_kept_priority(start: Callable[[], Result]) -> Result:
    """What `start` returns, called where it does not inherit the priority of this thread."""
    return _kept[0].submit(start).result() if _kept else start()
