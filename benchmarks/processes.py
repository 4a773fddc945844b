"""Whole commands: how long they take and how much memory they hold. Never imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """A command that succeeded: its wall time, what it printed, its largest process' peak."""

    wall_s: float
    stdout: str
    peak_bytes: int


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
    """This process's environment without anything that steers tuitrain or torch's threads."""
    steering = ("TUITRAIN", "_TUITRAIN", "OMP_", "GOMP_", "MKL_", "KERAS_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | variables


def run(command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> Outcome:
    """Run a command to its end, its output going to files.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        since = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - since
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            text = err.read()[-3000:].decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} failed:\n{text}")
        stdout = out.read().decode(errors="replace")
    # Kilobytes on Linux, bytes on macOS; that of waited-for descendants is part of it.
    unit = 1 if sys.platform == "darwin" else 1024
    return Outcome(wall_s, stdout, usage.ru_maxrss * unit)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that goes when it is no longer needed."""
    with tempfile.TemporaryDirectory(prefix="tuitrain-benchmark-") as folder:
        yield Path(folder)
