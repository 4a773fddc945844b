"""The dashboard as a person runs it, in a pseudo-terminal: when it shows what, what it costs."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import psutil
import pyte

from benchmarks.options import Options
from benchmarks.processes import clean_environment, tuitrain_command

COLUMNS, LINES = 140, 44
PATIENCE_S = 60.0
_READ_BYTES = 1 << 16
_LOOK_S = 0.05


class Terminal:
    """A terminal of 140 × 44 in which `tuitrain dashboard` was entered `began_s` on the clock.

    What is written to it is taken by a thread at once, with the time; who asks what the screen
    shows pays for drawing it.
    """

    def __init__(self, options: Options, runs_dir: Path, *references: str) -> None:
        variables = {
            "TUITRAIN_DATA": str(options.data_dir),
            # Nobody's preferences.
            "TUITRAIN_STATE": str(runs_dir / ".state"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        command = [*tuitrain_command(), "dashboard", "--runs", str(runs_dir), *references]
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._chunks: list[tuple[float, bytes]] = []
        self._arrived = threading.Condition()
        self._is_over = False
        self._fed = self._sought = 0
        self.began_s = time.perf_counter()
        self._child = pexpect.spawn(
            command[0],
            command[1:],
            cwd=str(runs_dir),
            env=clean_environment(**variables),
            dimensions=(LINES, COLUMNS),
        )
        self._process = psutil.Process(self._child.pid)
        threading.Thread(target=self._take, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close(force=True)

    @property
    def cpu_s(self) -> float:
        """Processor time of all threads of the dashboard so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def resident_bytes(self) -> int:
        """Its resident memory, what it shares with others included."""
        return int(self._process.memory_info().rss)

    @property
    def own_bytes(self) -> int:
        """The memory that would be free if it ended."""
        return int(self._process.memory_full_info().uss)

    def send(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    @property
    def text(self) -> str:
        """The screen now."""
        while self._fed < len(self._chunks):
            self._feed()
        return self._read_screen()

    def wait_for(self, *patterns: str, timeout_s: float = PATIENCE_S) -> float:
        """When, in seconds since it was entered, the screen first showed all of these.

        Raises:
            RuntimeError: it did not in time, or the dashboard ended before.
        """
        deadline = time.perf_counter() + timeout_s
        while time.perf_counter() < deadline:
            while self._fed < len(self._chunks):
                shown_s = self._feed()
                text = self._read_screen()
                if all(re.search(pattern, text) for pattern in patterns):
                    return shown_s - self.began_s
            self._wait(_LOOK_S)
            if self._is_over and self._fed == len(self._chunks):
                break
        raise RuntimeError(f"never shown: {patterns}; the screen:\n{self.text}")

    def wait_for_bytes(self, content: bytes, timeout_s: float = PATIENCE_S) -> float:
        """When, on the clock, these bytes came; nothing is drawn.

        They are looked for behind those that were waited for before.

        Raises:
            RuntimeError: they did not come in time.
        """
        deadline = time.perf_counter() + timeout_s
        written = b""
        while time.perf_counter() < deadline:
            while self._sought < len(self._chunks):
                arrived_s, chunk = self._chunks[self._sought]
                self._sought += 1
                # What is looked for may be divided between two.
                written = written[-len(content) :] + chunk
                if content in written:
                    return arrived_s
            self._wait(_LOOK_S)
        raise RuntimeError(f"never written: {content!r}; the screen:\n{self.text}")

    def _take(self) -> None:
        while True:
            try:
                content = self._child.read_nonblocking(_READ_BYTES, timeout=None)
            except (pexpect.EOF, OSError, ValueError):
                # It ended, or the terminal was closed.
                break
            with self._arrived:
                self._chunks.append((time.perf_counter(), content))
                self._arrived.notify_all()
        self._is_over = True

    def _wait(self, timeout_s: float) -> None:
        with self._arrived:
            self._arrived.wait(timeout_s)

    def _feed(self) -> float:
        arrived_s, content = self._chunks[self._fed]
        self._stream.feed(content)
        self._fed += 1
        return arrived_s

    def _read_screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)
