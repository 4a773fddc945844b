"""The command without the seconds that Python and torch take to start: forks of a process that has.

`tests.command.Home.call` uses it. Each command is a process of its own, with its own arguments,
environment, folder and output, and so is each worker that it starts and waits for. Detached workers
are started as always: they outlive the command.

Usage: python -P tests/command_server.py FILE_DESCRIPTOR
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import psutil

WORKER_NAME = "tuitrain-worker"
"""What the system calls a forked worker, whose arguments are those of the server."""

_MESSAGE_BYTES = 1 << 17
_STARTING_S = 120.0
_MOST_FILES = 256
# Read by the interpreter when it starts, or by libraries when they are imported.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "MKL_", "TEXTUAL", "TYPER")


class ForkedProcess:
    """A fork of this process with what of `subprocess.Popen` a `WorkerProcess` needs."""

    def __init__(self, child: Callable[[], int]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            status = 70
            try:
                status = child()
            except Exception:  # noqa: BLE001 - the boundary of the process
                traceback.print_exc()
            finally:
                os._exit(status)

    def poll(self) -> int | None:
        """Its exit status once it has ended, negative for a signal."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _be_worker(folder: Path, log: Path) -> int:
    """In a fork: what `launch.spawn` starts a worker to be; its exit status."""
    os.setsid()
    Path("/proc/self/comm").write_text(WORKER_NAME)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(output, number)
    # As a new program would be: without the files of whoever started it.
    os.closerange(3, _MOST_FILES)
    os.environ["PYTHONUNBUFFERED"] = "1"
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    sys.argv = [sys.argv[0], str(folder)]
    from tui_trainer.worker.__main__ import main

    status = main(folder)
    _flush()
    return status


def _be_command(order: Mapping[str, Any], output: list[int]) -> int:
    """In a fork: the command, with `output` for its standard output and error; its status."""
    from tui_trainer.cli import main
    from tui_trainer.launch import spawn

    for number, file in enumerate(output, start=1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = list(order["command"])

    def start(folder: Path, log: Path) -> spawn.WorkerProcess:
        process: Any = ForkedProcess(lambda: _be_worker(folder, log))
        return spawn.WorkerProcess(process, folder, log)

    if "--detach" not in sys.argv:
        spawn._start = start
    try:
        main.main()
    except SystemExit as leaving:
        status = leaving.code
    _flush()
    return status if isinstance(status, int) else int(status is not None)


def serve(orders: socket.socket) -> NoReturn:
    """Run each command that is ordered, and answer with its exit status, until nobody asks."""
    # What commands and workers import, for the forks.
    import sklearn.datasets  # noqa: F401

    from tui_trainer.cli import app  # noqa: F401
    from tui_trainer.data import prepare  # noqa: F401
    from tui_trainer.worker import __main__, previewing, training  # noqa: F401

    # A fork takes only this thread with it: another could leave a lock held for ever.
    assert len(os.listdir("/proc/self/task")) == 1, "a library has begun a thread"
    # The collector of a fork would write to, and so copy, all that was made until here.
    gc.collect()
    gc.freeze()
    orders.send(b"ready")
    while True:
        message, output, _, _ = socket.recv_fds(orders, _MESSAGE_BYTES, 2)
        if not message:
            sys.exit()
        order = json.loads(message)
        process = ForkedProcess(lambda order=order, output=output: _be_command(order, output))
        for file in output:
            os.close(file)
        orders.send(json.dumps(process.wait()).encode())


class CommandServer:
    """A process that runs one command at a time as a fork of itself."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is what commands are started in, as far as their start depends on it."""
        self._start = _start_of(environment)
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
            env=dict(environment) | one_thread,
            stdin=subprocess.DEVNULL,
            # Of the kind that commands get in their place: a stream remembers whether it can seek.
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        if self._receive(_STARTING_S) != b"ready":
            raise AssertionError(self._process.communicate()[1].decode())

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork is what a process started in `environment` would be."""
        return _start_of(environment) == self._start

    def run(
        self, command: list[str], folder: Path, environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """A command that has ended; its input is empty, its output goes to pipes.

        Raises:
            TimeoutError: it goes on.
        """
        order = {"command": command, "folder": str(folder), "environment": dict(environment)}
        pipes = [os.pipe() for _ in range(2)]
        writers = [writer for _, writer in pipes]
        socket.send_fds(self._orders, [json.dumps(order).encode()], writers)
        for writer in writers:
            os.close(writer)
        stdout, stderr = _read_to_end([reader for reader, _ in pipes], timeout_s)
        status = json.loads(self._receive(timeout_s))
        return subprocess.CompletedProcess(command, status, stdout, stderr)

    def close(self) -> None:
        """End the server, and what it runs."""
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()
        self._process.communicate()
        self._orders.close()

    def _receive(self, timeout_s: float) -> bytes:
        self._orders.settimeout(timeout_s)
        return self._orders.recv(_MESSAGE_BYTES)


def _start_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith(_READ_AT_START)}


def _read_to_end(files: list[int], timeout_s: float) -> list[str]:
    """All that comes from each of `files`, read as it comes; they are closed then."""
    deadline = time.monotonic() + timeout_s
    contents = {file: bytearray() for file in files}
    with selectors.DefaultSelector() as selector:
        for file in files:
            selector.register(file, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                raise TimeoutError(f"a command goes on after {timeout_s:.0f} s")
            for key, _ in ready:
                content = os.read(key.fd, _MESSAGE_BYTES)
                contents[key.fd] += content
                if not content:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    texts = [content.decode() for content in contents.values()]
    return [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]


if __name__ == "__main__":
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    serve(control)
