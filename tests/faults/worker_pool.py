"""Workers without the second that torch takes to import: forks of a process that imported it.

Usage: python -m tests.faults.worker_pool
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.command import PATIENCE_S, own_environment
from tui_trainer import paths


class Trouble(Protocol):
    """What befalls a worker: a frozen dataclass of plain values in a module of its own."""

    def arrange(self) -> None:
        """In the worker, before its work: have it happen."""


@dataclass(frozen=True)
class Death:
    """A worker kills itself right after its `number`th `call`: it alone, or with its group."""

    call: str
    number: int
    with_group: bool = True

    def arrange(self) -> None:
        """In the worker: have its call followed by its death."""
        owner, name = _calls()[self.call]
        real: Callable[..., Any] = getattr(owner, name)
        numbers = itertools.count(1)

        def call(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            if next(numbers) == self.number:
                send_kill(os.getpid(), with_group=self.with_group)
            return result

        setattr(owner, name, call)


def _calls() -> dict[str, tuple[Any, str]]:
    """What a `Death` may follow: the owner of a function, and its name there."""
    from tui_trainer.checkpoints import write
    from tui_trainer.store import atomic
    from tui_trainer.train import judging, step
    from tui_trainer.worker import __main__ as worker

    return {
        "step": (step.Stepper, "__call__"),
        "judgement": (judging, "judge"),
        "file of a checkpoint": (write, "write_durable"),
        "checkpoint published": (atomic, "_publish"),
        "test": (judging.Judge, "test"),
        "result": (worker, "write_result"),
    }


def send_kill(pid: int, *, with_group: bool) -> None:
    """SIGKILL for a worker, or for its whole group."""
    (os.killpg if with_group else os.kill)(pid, signal.SIGKILL)


def _work(order: dict[str, Any]) -> int:
    """In a fork: do the job as a worker that `launch.spawn` started does; its exit status."""
    os.setsid()
    os.write(1, f"{os.getpid()}\n".encode())
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if order["trouble"] is not None:
        module, name, values = order["trouble"]
        getattr(import_module(module), name)(**values).arrange()
    from tui_trainer.worker.__main__ import main

    return main(Path(order["folder"]))


def _fork(order: dict[str, Any]) -> int:
    """Do an order in a fork; its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            status = _work(order)
        except Exception:  # noqa: BLE001 - the boundary of the process
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve() -> None:
    """Do the orders on standard input, one JSON object a line, one after the other.

    Answers on standard output are two lines: the worker's process, and its exit status.
    """
    from tui_trainer.worker import training  # noqa: F401 - for the forks

    # A fork takes only this thread with it: another could leave a lock held for ever.
    assert psutil.Process().num_threads() == 1, "a library has begun a thread"
    for line in sys.stdin:
        print(_fork(json.loads(line)), flush=True)


class PooledWorker:
    """A worker in a session of its own, forked by a pool."""

    def __init__(self, pid: int, answer: Callable[[float], str]) -> None:
        self.pid = pid
        self._answer = answer
        self._status: int | None = None

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit status, negative for a signal.

        Raises:
            TimeoutError: it has not ended by then.
        """
        if self._status is None:
            self._status = int(self._answer(timeout_s))
        return self._status

    @property
    def processes(self) -> list[int]:
        """What lives of its session, itself included."""
        return [pid for pid in psutil.pids() if _session_of(pid) == self.pid and _is_alive(pid)]

    def end(self) -> None:
        """Kill what is left of it."""
        for pid in self.processes:
            # A loader ends by itself soon after its trainer.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _in_words(trouble: Any) -> tuple[str, str, dict[str, Any]]:
    kind = type(trouble)
    return kind.__module__, kind.__name__, asdict(trouble)


class WorkerPool:
    """Starts workers, one at a time, within milliseconds; its state folder is `state`."""

    def __init__(self, state: Path) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker_pool"],
            cwd=Path(__file__).parents[2],
            env=own_environment(**one_thread, PYTHONUNBUFFERED="1", TUITRAIN_STATE=str(state)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def start(self, run: Path, trouble: Trouble | None = None) -> PooledWorker:
        """A worker on the job of a run, as it stands in the run's folder."""
        order = {
            "folder": str(run / paths.JOB_FOLDER),
            "log": str(run / paths.WORKER_LOG),
            "trouble": None if trouble is None else _in_words(trouble),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return PooledWorker(int(self._read(PATIENCE_S)), self._read)

    def close(self) -> None:
        """End the pool."""
        self._process.kill()
        self._process.communicate()

    def _read(self, timeout_s: float) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise TimeoutError(f"no word from the worker for {timeout_s:.1f} s")
        return self._process.stdout.readline().decode()


if __name__ == "__main__":
    serve()
