"""Reading blocks in order, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial

from tui_trainer.data.prepare.measured_block import BlockReader, MeasuredBlock
from tui_trainer.data.prepare.source import HereTask, ReadTask
from tui_trainer.data.processes import end_with_parent
from tui_trainer.errors import DatasetError

_AHEAD = 2
# More readers give no more: one process puts away what they read. Each takes memory.
_MOST_PROCESSES = 8
# Forking takes milliseconds, and nothing here has threads that a fork would break.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"

_readers: list[BlockReader] = []
"""In a process that reads: the one that it reads with."""


def read_blocks(
    tasks: Iterator[ReadTask], reader: BlockReader, processes: int
) -> Generator[MeasuredBlock, None, None]:
    """What tasks read, in their order, whatever reads it; it is to be closed.

    Processes that read are killed if anything breaks it off, be it by closing: what they do is
    lost anyway, and nobody waits for it.

    Raises:
        DatasetError: the source is not what it seemed, or a process that reads it died.
    """
    processes = min(processes, _MOST_PROCESSES)
    if processes <= 1:
        for task in tasks:
            yield reader(task)
        return
    with _pool_of(processes, reader) as pool:
        yield from _in_order(pool, tasks, reader, processes)


@contextmanager
def _pool_of(processes: int, reader: BlockReader) -> Iterator[ProcessPoolExecutor]:
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context(_START_METHOD),
        initializer=_begin_reading,
        initargs=(os.getpid(), reader),
    )
    try:
        yield pool
    except BaseException as error:
        # The pool itself would let each of them finish its block.
        for process in multiprocessing.active_children():
            if process not in others:
                process.kill()
        pool.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise DatasetError(
                "A process that read samples was killed.",
                "See that memory is left, then go on with the same command.",
            ) from error
        raise
    pool.shutdown()


def _begin_reading(parent: int, reader: BlockReader) -> None:
    # Ctrl-C in a terminal reaches all processes: who asked for the blocks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
    _readers.append(reader)


def _read_there(task: ReadTask) -> MeasuredBlock:
    return _readers[-1](task)


def _in_order(
    pool: ProcessPoolExecutor, tasks: Iterator[ReadTask], reader: BlockReader, processes: int
) -> Iterator[MeasuredBlock]:
    # No more at a time than keeps everyone busy: what is read and not yet taken takes memory.
    running: deque[Callable[[], MeasuredBlock]] = deque()
    for task in tasks:
        if isinstance(task, HereTask):
            running.append(partial(reader, task))
        else:
            running.append(pool.submit(_read_there, task).result)
        if len(running) > _AHEAD * processes:
            yield running.popleft()()
    while running:
        yield running.popleft()()
