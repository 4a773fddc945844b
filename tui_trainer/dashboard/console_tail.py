"""Following what the worker of a run prints."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.console import Console, ConsoleText

LAST_BYTES = 256 << 10
"""How much of a long log is read: what is further from its end is not shown."""


class ConsoleTail:
    """Reads the worker's log of one run: its last part at first, then what is appended."""

    def __init__(self, run: Path) -> None:
        self._file = run / paths.WORKER_LOG
        self._restart()

    def _restart(self) -> None:
        self._console = Console()
        self._offset = 0
        self._inode: int | None = None
        self._is_cut = False
        self._shown: ConsoleText | None = None

    def read(self) -> ConsoleText | None:
        """The lines as they are now; None where nothing was printed since the last look."""
        problem = ""
        try:
            fresh = self._read_fresh()
        except OSError as error:
            fresh, problem = b"", f"{self._file.name} cannot be read: {error.strerror}."
        if self._shown is not None and not fresh and problem == self._shown.problem:
            return None
        self._console.feed(fresh)
        is_cut = self._is_cut or self._console.has_dropped
        text = ConsoleText(self._console.lines, is_cut, problem)
        if text == self._shown:
            return None
        self._shown = text
        return text

    def _read_fresh(self) -> bytes:
        """What was printed since the last look; a log that was replaced is begun anew."""
        try:
            # Without waiting: what stands in the place of the log might be a pipe.
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            if self._inode is not None:
                self._restart()
            return b""
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return b""
            if self._inode not in (None, status.st_ino) or status.st_size < self._offset:
                self._restart()
            self._inode = status.st_ino
            return self._read_on(descriptor, status.st_size)
        finally:
            os.close(descriptor)

    def _read_on(self, descriptor: int, size: int) -> bytes:
        skips = size - self._offset > LAST_BYTES
        if skips:
            self._restart_at(size - LAST_BYTES)
        content = os.pread(descriptor, max(0, size - self._offset), self._offset)
        self._offset += len(content)
        return _from_line_start(content) if skips else content

    def _restart_at(self, offset: int) -> None:
        inode = self._inode
        self._restart()
        self._inode, self._offset, self._is_cut = inode, offset, True


def _from_line_start(content: bytes) -> bytes:
    """The content without what it begins with in the middle of a line."""
    ends = [place for place in (content.find(b"\n"), content.find(b"\r")) if place >= 0]
    return content[min(ends) + 1 :] if ends else content
