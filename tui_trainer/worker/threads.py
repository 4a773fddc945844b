"""How many processor threads a worker uses; decided before torch is imported."""

from __future__ import annotations

import os

_SPIN_COUNT = "10000"


def choose_threads(asked: int) -> tuple[int, str]:
    """The number of threads, and the reason in a few words; it is set for every library."""
    cores = usable_cores()
    threads = asked or cores
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if "OMP_WAIT_POLICY" not in os.environ:
        # A thread that waits for the others spins by default for as long as it takes to ruin both
        # of two runs that share the cores; this long, it costs a run of its own next to nothing.
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)
    reason = "as configured, or as before" if asked else f"one for each of {cores} usable cores"
    return threads, f"threads {threads}: {reason}"


def usable_cores() -> int:
    """Physical cores this process may run on."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    physical = psutil.cpu_count(logical=False)
    return max(1, min(allowed or 1, physical or allowed or 1))
