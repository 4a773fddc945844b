"""A real process whose system calls are made to fail, or that is killed at one of them."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.operations import Operation, Reach

KILLED = -signal.SIGKILL
DONE, REFUSED, BROKEN = 0, 3, 70

_CALLS = (
    "write,?pwrite64,fsync,?fdatasync,ftruncate,?rename,?renameat,?renameat2,?open,openat,"
    "?mkdir,?mkdirat,?unlink,unlinkat,?rmdir,?link,?linkat"
)
_CALL = re.compile(r"^(\d+) +([a-z0-9_]+)\(", re.MULTILINE)
_SET_TRACER, _ANY = 0x59616D61, -1


@dataclass(frozen=True)
class Injection:
    """What happens at the call number `at` of `call` in a thread: KILL, or the name of an error."""

    call: str
    at: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} at {self.call} {self.at}"

    @property
    def option(self) -> str:
        """The same for strace."""
        what = "signal=KILL" if self.what == "KILL" else f"error={self.what}"
        return f"inject={self.call}:{what}:when={self.at}"


@dataclass(frozen=True)
class Traced:
    """How the process ended, what had been acknowledged, and the calls that it made."""

    status: int
    reached: int
    log: str

    @property
    def was_struck(self) -> bool:
        """Whether the injection took place."""
        return self.status == KILLED or "(INJECTED)" in self.log

    def count_calls(self) -> dict[str, int]:
        """How often each call was made, by the thread that made it most often."""
        counts: Counter[str] = Counter()
        for (_, call), count in Counter(_CALL.findall(self.log)).items():
            counts[call] = max(counts[call], count)
        return dict(sorted(counts.items()))


def trace(operation: Operation, folder: Path, injection: Injection | None = None) -> Traced:
    """Do the work in a process of its own, under strace."""
    with mmap.mmap(-1, 1) as milestone:

        def reach(number: int) -> None:
            # Shared memory: a system call here would be one of those that are counted.
            milestone[0] = number

        status, log = _trace(lambda: _work(operation, folder, reach), injection)
        return Traced(status, milestone[0], log)


def _work(operation: Operation, folder: Path, reach: Reach) -> int:
    try:
        operation.act(folder, reach)
    except operation.refusals:
        return REFUSED
    return DONE


def _trace(work: Callable[[], int], injection: Injection | None) -> tuple[int, str]:
    pid = os.fork()
    if pid == 0:
        _be_traced(work)
    try:
        os.waitpid(pid, os.WUNTRACED)
        with tempfile.NamedTemporaryFile() as log:
            options = ["-f", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", log.name]
            if injection is not None:
                options += ["-e", injection.option]
            strace = subprocess.Popen(
                ["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True
            )
            assert strace.stderr is not None
            said = strace.stderr.readline()
            if "attached" not in said:
                raise PermissionError(said.strip())
            os.kill(pid, signal.SIGCONT)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            pid = 0
            strace.communicate()
            return status, Path(log.name).read_text(errors="replace")
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _be_traced(work: Callable[[], int]) -> None:
    """In the fork: wait for strace, work, end."""
    status = BROKEN
    try:
        if sys.platform == "linux":
            # Where only ancestors may trace, strace, which is a sibling, needs to be let in.
            ctypes.CDLL(None).prctl(_SET_TRACER, ctypes.c_long(_ANY), 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        status = work()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


@cache
def why_not() -> str:
    """Why processes cannot be traced here; empty where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    try:
        _trace(lambda: DONE, None)
    except OSError as error:
        return f"strace may not attach to a process: {error}"
    return ""
