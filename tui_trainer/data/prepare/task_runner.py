"""Reading the blocks of a source in order, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tui_trainer.data.prepare.source import Block, HereTask, ReadTask, Source
from tui_trainer.data.processes import end_with_parent
from tui_trainer.errors import DatasetError

_AHEAD = 2
# More readers give no more: one process puts away what they read. Each takes memory.
_MOST_PROCESSES = 8
# Forking takes milliseconds, and nothing here has threads that a fork would break.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"


def read_blocks(source: Source, first: int, processes: int) -> Iterator[Block]:
    """The blocks of a source from block `first` on, in order, whatever reads them.

    Raises:
        DatasetError: the source is not what it seemed, or a process that reads it died.
    """
    tasks = source.tasks()
    for _ in range(first):
        next(tasks, None)
    processes = min(processes, _MOST_PROCESSES)
    if processes <= 1 or not source.is_heavy:
        for task in tasks:
            yield task()
        return
    context = multiprocessing.get_context(_START_METHOD)
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=end_with_parent, initargs=(os.getpid(),)
    ) as pool:
        try:
            yield from _in_order(pool, tasks, processes)
        except BrokenProcessPool as error:
            raise DatasetError(
                "A process that read samples was killed.",
                "See that memory is left, then go on with the same command.",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, tasks: Iterator[ReadTask], processes: int
) -> Iterator[Block]:
    # No more at a time than keeps everyone busy: what is read and not yet taken takes memory.
    running: deque[Callable[[], Block]] = deque()
    for task in tasks:
        running.append(task if isinstance(task, HereTask) else pool.submit(task).result)
        if len(running) > _AHEAD * processes:
            yield running.popleft()()
    while running:
        yield running.popleft()()
