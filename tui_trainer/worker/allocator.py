"""How a worker's process asks the system for memory; decided before torch is imported."""

from __future__ import annotations

import ctypes
import os

# The options of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Larger blocks go back to the system as soon as they are free. Old versions take the second only.
_MMAP_BYTES = (1 << 30, 1 << 25)
_TRIM_BYTES = (1 << 31) - 1
_ENVIRONMENT = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Keep what one step frees for the next, as PyTorch does with a GPU's memory.

    glibc gives large blocks back at once, and each step then gets its activations anew, page by
    page and filled with zeros: thousands of page faults, of which a network of usual size feels
    a tenth. Nothing is changed where the allocator is another one, or was set from outside.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _ENVIRONMENT):
        return
    if any(mallopt(_MMAP_THRESHOLD, size_bytes) for size_bytes in _MMAP_BYTES):
        mallopt(_TRIM_THRESHOLD, _TRIM_BYTES)
