"""Training that goes a segment at a time, when told to: the contestant's side and the driver's.

A contestant is a process that trains for ever and calls `step_done` after each step. It stands
still between segments, so that one contestant has the machine for itself while it is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import KEEPING_FREED_MEMORY, ROOT, clean_environment


class Ended(Exception):
    """No further segment is wanted."""


class Pacer:
    """Reads orders, `N` steps at a time, and reports how long each segment took.

    The contestant trains one step unasked, which makes it ready.
    """

    def __init__(self, synchronize: Callable[[], None]) -> None:
        """`synchronize` waits for the device, so that its work is in the time."""
        self._synchronize = synchronize
        self._orders = sys.stdin
        # Frameworks print; what they print goes to the standard error instead.
        self._reports = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._left = 1
        self._since = time.perf_counter()

    def step_done(self) -> None:
        """Go on, or stand still until the next order.

        Raises:
            Ended: no further segment is wanted.
        """
        self._left -= 1
        if self._left > 0:
            return
        self._synchronize()
        self.report({"seconds": time.perf_counter() - self._since})
        order = self._orders.readline().strip()
        if not order:
            raise Ended
        self._left = int(order)
        self._since = time.perf_counter()

    def report(self, facts: dict[str, Any]) -> None:
        """Send a line to the driver."""
        self._reports.write(json.dumps(facts) + "\n")
        self._reports.flush()


class StepLimit:
    """A pacer's stand-in that ends the training after a number of steps, without pauses."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step_done(self) -> None:
        """Count a step.

        Raises:
            Ended: that was the last.
        """
        self._left -= 1
        if self._left <= 0:
            raise Ended


class Contestant:
    """The driver's end of a contestant's process."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        with open(log, "wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.contestant", name, *arguments],
                cwd=ROOT,
                env=clean_environment(**KEEPING_FREED_MEMORY),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._receive()

    def seconds_for(self, steps: int) -> float:
        """Have it train so many steps; how long they took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._receive()["seconds"])

    def end(self) -> dict[str, Any]:
        """End it; what it says of its training."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        facts = self._receive()
        self._process.wait()
        return facts

    def kill(self) -> None:
        """End it at once, if it is there."""
        self._process.kill()
        self._process.wait()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            text = self._log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended early:\n{text}")
        facts: dict[str, Any] = json.loads(line)
        return facts
