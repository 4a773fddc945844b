"""The real command, run in a process of its own, with or without a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pyte

from tests.command_server import WORKER_NAME, CommandServer

TUITRAIN = str(Path(sys.executable).with_name("tuitrain"))
RUN_FIELDS = {
    "run", "uuid", "name", "state", "dataset", "model", "device", "epoch", "epochs", "step",
    "steps", "best", "last", "started", "elapsed_s", "tags", "path",
}  # fmt: skip
PATIENCE_S = 120.0
# Control characters other than the line end, and the C1 range.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def wait_until(condition: Callable[[], Any], what: str, *, timeout_s: float = PATIENCE_S) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")


def own_environment(**variables: str) -> dict[str, str]:
    """This process's environment without anything that steers tuitrain or its output."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TUITRAIN", "_TUITRAIN"))
        and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM")
    }
    return kept | {"PYTHONHASHSEED": "0"} | variables


@dataclass
class Home:
    """A working folder with a data folder and a runs folder, and the command run there."""

    folder: Path
    data: Path
    runs: Path
    variables: dict[str, str] = field(default_factory=dict)
    is_real: bool = False
    """Whether `call` starts a new process of Python, instead of a fork that costs little."""

    @property
    def environment(self) -> dict[str, str]:
        places = {
            "TUITRAIN_DATA": str(self.data),
            "TUITRAIN_RUNS": str(self.runs),
            "TUITRAIN_STATE": str(self.runs.parent / "state"),
        }
        return own_environment(**(places | self.variables))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command on pipes, going on."""
        return subprocess.Popen(
            [TUITRAIN, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command on pipes, ended."""
        environment = self.environment
        server = None if self.is_real else server_for(environment)
        if server is not None:
            command = [TUITRAIN, *arguments]
            try:
                return server.run(command, self.folder, environment, PATIENCE_S)
            except BaseException:
                # It may be at that command still; the next test gets another.
                close_servers()
                raise
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def do(self, *arguments: str) -> str:
        """What the command printed on standard output; it must succeed."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """The one document that the command printed."""
        return json.loads(self.do(*arguments, "--json"))

    def run(self, number: int = 1) -> Path:
        return self.runs / f"run{number}"

    def state(self, number: int = 1) -> str:
        return str(self.json("runs", "show", str(number))["state"])

    def events(self, kind: str = "", number: int = 1) -> list[dict[str, Any]]:
        """The whole lines of a run's event log, of one kind if named."""
        file = self.run(number) / "events.jsonl"
        content = file.read_bytes() if file.exists() else b""
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        found = [json.loads(line) for line in lines]
        return [event for event in found if kind in ("", event["kind"])]

    def wait_for_event(self, kind: str, *, count: int = 1, number: int = 1) -> dict[str, Any]:
        events: list[dict[str, Any]] = wait_until(
            lambda: len(found := self.events(kind, number)) >= count and found,
            f"{count} events {kind}",
        )
        return events[count - 1]

    def open(self, *arguments: str, rows: int = 40, columns: int = 120) -> Terminal:
        """The command in a pseudo-terminal of its own."""
        return Terminal(self, arguments, rows, columns)

    @contextmanager
    def live_run(self, *arguments: str) -> Iterator[str]:
        """A run that trains until the end of the block, unless something stops it before."""
        name = self.do("train", "digits", "--epochs", "100000", "--detach", *arguments).strip()
        try:
            yield name
        finally:
            self.end_workers()

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that hold a run of this home."""
        found = []
        for process in workers():
            try:
                is_ours = any(str(self.runs) in argument for argument in process.cmdline())
                is_ours |= _is_fork(process) and process.cwd() == str(self.folder)
            except psutil.Error:
                # It ended since it was found.
                continue
            if is_ours:
                found.append(process)
        return found

    def end_workers(self) -> None:
        """Kill every worker that still holds a run of this home."""
        for process in self.workers:
            kill_group(process.pid)


_servers: list[CommandServer] = []


def server_for(environment: dict[str, str]) -> CommandServer | None:
    """This process's server of commands; None where a fork could differ from a new process."""
    if sys.platform != "linux":
        # Elsewhere libraries of the system do not survive a fork.
        return None
    if not _servers:
        _servers.append(CommandServer(own_environment()))
    return _servers[0] if _servers[0].can_run(environment) else None


def close_servers() -> None:
    """End what runs commands for this process."""
    while _servers:
        _servers.pop().close()


def _is_fork(process: psutil.Process) -> bool:
    return bool(process.name() == WORKER_NAME)


def workers(parent: int | None = None) -> list[psutil.Process]:
    """The worker processes of this machine, or of one process."""
    found = []
    processes = psutil.process_iter() if parent is None else psutil.Process(parent).children()
    for process in processes:
        try:
            if "tui_trainer.worker" in process.cmdline() or _is_fork(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_group(pid: int) -> None:
    """End a worker and its children as the out-of-memory killer would."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class Terminal:
    """The command in a pseudo-terminal, and what a person sees there."""

    def __init__(self, home: Home, arguments: tuple[str, ...], rows: int, columns: int) -> None:
        self.process = pexpect.spawn(
            TUITRAIN,
            list(arguments),
            cwd=str(home.folder),
            env=home.environment | {"TERM": "xterm-256color"},
            dimensions=(rows, columns),
            # As a shell would start it: a script's background has it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            timeout=PATIENCE_S,
        )
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """The screen now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def history(self) -> str:
        """What scrolled off the top of the screen, then the screen."""
        above = [
            "".join(row[column].data for column in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return "\n".join([*above, self.text])

    def read(self, timeout_s: float = 0.1) -> bool:
        """Take what has been written; False at the end of it all."""
        try:
            content = self.process.read_nonblocking(1 << 16, timeout=timeout_s)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += content
        self._stream.feed(content)
        return True

    def wait_for(self, *patterns: str) -> str:
        """The screen once it shows every pattern at the same time."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if all(re.search(pattern, self.text) for pattern in patterns):
                return self.text
            if not self.read():
                break
        missing = [pattern for pattern in patterns if not re.search(pattern, self.text)]
        raise AssertionError(f"never shown: {missing}; the screen:\n{self.text}")

    def send(self, keys: str) -> None:
        self.process.send(keys)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.sendintr()

    def finish(self) -> int:
        """Read to the end; the exit status, negative for a signal."""
        deadline = time.monotonic() + PATIENCE_S
        while self.read():
            assert time.monotonic() < deadline, f"it goes on; the screen:\n{self.text}"
        self.process.close()
        if self.process.exitstatus is not None:
            return int(self.process.exitstatus)
        return -int(self.process.signalstatus)

    def hang_up(self) -> None:
        """Close the terminal's window; its process has ended then."""
        # Not `close()`, which sends signals of its own.
        self.process.ptyproc.fileobj.close()
        wait_until(lambda: not self.process.isalive(), "the end of the process hung up on")
