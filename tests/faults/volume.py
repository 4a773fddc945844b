"""A small file system that can be full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest


class Volume:
    """A file system in memory, mounted on a folder."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        """Mount it; the test is skipped where that cannot be done."""
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can mount a small file system, on Linux")
        folder.mkdir()
        options = f"size={size_bytes},mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def room_bytes(self) -> int:
        """What still fits."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave room for so many bytes at most."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while (too_much := self.room_bytes - leave_bytes) > 0:
                os.write(descriptor, bytes(too_much))
        except OSError as error:
            # Someone else took the last of it.
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def make_room(self) -> None:
        """Take away all that `fill` wrote."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take it away, whoever still uses it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
