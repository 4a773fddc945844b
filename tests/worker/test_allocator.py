"""A worker keeps the memory that a step frees."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tui_trainer.worker import allocator

# Prints how many pages the system had to give for 20 blocks of 48 MB, used one after the other.
_PROGRAM = """
import resource
import sys
import torch
from tui_trainer.worker.allocator import keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()
for _ in range(20):
    torch.ones(12 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(12 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _count_faults(*arguments: str, **variables: str) -> int:
    set_from_outside = ("MALLOC_", "GLIBC_TUNABLES")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(set_from_outside)}
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    return int(subprocess.check_output(command, env=kept | variables, text=True))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator is used here")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    pages = 20 * (48 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert _count_faults() > pages / 2
    assert _count_faults("keep") < pages / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator is used here")
def test_what_was_set_from_outside_stays() -> None:
    pages = 20 * (48 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert _count_faults("keep", MALLOC_MMAP_THRESHOLD_="131072") > pages / 2


@pytest.mark.parametrize(
    ("largest_bytes", "expected"),
    [
        (1 << 31, [(-3, 1 << 30), (-1, (1 << 31) - 1)]),
        (1 << 25, [(-3, 1 << 30), (-3, 1 << 25), (-1, (1 << 31) - 1)]),
        (0, [(-3, 1 << 30), (-3, 1 << 25)]),
    ],
    ids=["as it is today", "an old version", "one that refuses"],
)
def test_what_glibc_refuses_is_asked_for_smaller(
    monkeypatch: pytest.MonkeyPatch, largest_bytes: int, expected: list[tuple[int, int]]
) -> None:
    asked = []

    def mallopt(option: int, value: int) -> int:
        asked.append((option, value))
        return int(option == -1 or value <= largest_bytes)

    for name in allocator._ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    library = SimpleNamespace(mallopt=mallopt)
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda name: library))
    allocator.keep_freed_memory()
    assert asked == expected


def test_where_the_allocator_is_another_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace()
    monkeypatch.setattr(allocator, "ctypes", SimpleNamespace(CDLL=lambda name: library))
    allocator.keep_freed_memory()
