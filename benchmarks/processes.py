"""Whole commands: how long they take and how much memory they hold. Never imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]

_SAMPLE_EVERY_S = 0.02


@dataclass(frozen=True)
class Outcome:
    """A command that succeeded: its wall time, what it printed, its peaks of resident memory.

    `peak_bytes` is that of its largest process, exactly; `tree_peak_bytes` that of all its
    processes together, sampled, if that was asked for.
    """

    wall_s: float
    stdout: str
    peak_bytes: int
    tree_peak_bytes: int = 0


def tuitrain_command() -> list[str]:
    """The installed command, run by this interpreter.

    Raises:
        SystemExit: it is not installed beside this interpreter.
    """
    script = Path(sys.executable).with_name("tuitrain")
    if not script.exists():
        raise SystemExit(
            f"tuitrain is not installed beside {sys.executable}.\n"
            "Install it there with: pip install -e '.[bench]'."
        )
    return [sys.executable, str(script)]


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without anything that steers tuitrain or torch's threads.

    Byte code is kept, as it is wherever a program is installed.
    """
    steering = ("TUITRAIN", "_TUITRAIN", "OMP_", "GOMP_", "MKL_", "KERAS_", "PYTHONPATH")
    dropped = (*steering, "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | variables


# glibc keeps what is freed, as tuitrain has it do: without, chance decides for the whole life of a
# process whether each step of it gets its memory anew, page by page.
KEEPING_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
}


def run(
    command: Sequence[str], *, cwd: Path, environment: dict[str, str], samples_tree: bool = False
) -> Outcome:
    """Run a command to its end, its output going to files.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        since = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        sampler = _TreeSampler(process.pid) if samples_tree else None
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - since
        process.returncode = os.waitstatus_to_exitcode(status)
        tree_peak_bytes = sampler.end() if sampler else 0
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            text = err.read()[-3000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} failed:\n{text}")
        stdout = out.read().decode(errors="replace")
    # Kilobytes on Linux, bytes on macOS; that of waited-for descendants is part of it.
    unit = 1 if sys.platform == "darwin" else 1024
    return Outcome(wall_s, stdout, usage.ru_maxrss * unit, tree_peak_bytes)


class _TreeSampler:
    """Adds up the resident memory of a process and its descendants every 20 ms."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """The largest sum met."""
        self._is_over.set()
        self._thread.join()
        return self._peak_bytes

    def _sample(self) -> None:
        while not self._is_over.wait(_SAMPLE_EVERY_S):
            try:
                tree = [self._process, *self._process.children(recursive=True)]
                total = sum(one.memory_info().rss for one in tree)
            except psutil.Error:
                # One of them has just ended; the next sample tells.
                continue
            self._peak_bytes = max(self._peak_bytes, total)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that goes when it is no longer needed."""
    with tempfile.TemporaryDirectory(prefix="tuitrain-benchmark-") as folder:
        yield Path(folder)
