"""How many processor threads a worker uses; decided before torch is imported."""

from __future__ import annotations

import os
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.format import format_counted
from tui_trainer.data.processes import allowed_cores

_SPIN_COUNT = "1000"


def choose_threads(asked: int) -> tuple[int, str]:
    """The number of threads, and the reason in a few words; it is set for every library.

    Left to choose (0), a run takes every usable core where it trains alone, and its share of them
    where others train already.
    """
    cores, others = usable_cores(), len(find_other_trainings())
    threads = asked or max(1, cores // (others + 1))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if others and "OMP_WAIT_POLICY" not in os.environ:
        # A thread that waits for the others of its team spins by default, for so long that two
        # runs on the same cores ruin each other; a run on its own would lose by waking them.
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    if asked:
        reason = "as configured, or as before"
    elif others:
        reason = f"a share of {cores} usable cores, beside {format_counted(others, 'other run')}"
    else:
        reason = f"one for each of {cores} usable cores"
    return threads, f"threads {threads}: {reason}"


def usable_cores() -> int:
    """Physical cores this process may run on."""
    import psutil

    allowed = allowed_cores()
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


def find_other_trainings() -> set[str]:
    """Job folders of the runs that other processes of this machine are training now.

    A paused run counts: it may go on at any moment.
    """
    import psutil

    folders: set[str] = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        is_worker = command[-3:-1] == ["-m", "tui_trainer.worker"]
        # Loaders of a worker's batches are forked from it and bear its command.
        if is_worker and process.pid != os.getpid() and Path(command[-1]).name == paths.JOB_FOLDER:
            folders.add(command[-1])
    return folders
