"""Importing large libraries without delay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Import in this block; what is there after it is never looked through for garbage.

    Modules stay until the process ends: to look for garbage among them takes a tenth of the time
    that torch takes to import, and later holds up training whenever all objects are looked at.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
