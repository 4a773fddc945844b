"""Workers that start within milliseconds: forks of this process, started as `tuitrain` does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from tests.command import wait_until
from tests.command_server import ForkedProcess
from tests.faults.stand_in import TALE, Script, Told, be_worker
from tui_trainer.core.config import HardwareConfig, RunConfig
from tui_trainer.core.jobs import TrainJob
from tui_trainer.launch import spawn
from tui_trainer.store.job_folder import write_job
from tui_trainer.store.run_folder import RunFolder

_LOOK_S = 0.5


class StagedWorker:
    """One session of a run, under way or over."""

    def __init__(self, run: RunFolder, script: Script, folder: Path, *, resume: bool) -> None:
        """Nothing is started yet; `folder` takes orders and what is told."""
        folder.mkdir(parents=True)
        self.run = run
        self.script = script
        self.session = folder.name
        self._folder = folder
        self._process: spawn.WorkerProcess | None = None
        self._job = TrainJob(
            run_path=str(run.path),
            data_dir="",
            config=RunConfig(hardware=HardwareConfig(threads=1)),
            session=self.session,
            resume=resume,
        )

    def start(self) -> None:
        """Be started as by `tuitrain`; on return the worker holds the lease, or has ended.

        Raises:
            RunStateError: the run is being trained or started.
        """
        with mock.patch.object(spawn, "_start", self._fork):
            self._process = spawn.start_training(self.run.path, self._job)

    def intrude(self) -> int:
        """Be a worker that nobody stopped from starting; its exit status."""
        job_folder = self._folder / "job"
        write_job(job_folder, self._job)
        self._process = self._fork(job_folder, self._folder / "log")
        wait_until(lambda: not self.is_alive, "the intruder to end")
        return self._process.wait().exit_status

    def _fork(self, job_folder: Path, log: Path) -> spawn.WorkerProcess:
        fork: Any = ForkedProcess(lambda: be_worker(job_folder, log, self.script, self._folder))
        return spawn.WorkerProcess(fork, job_folder, log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive

    @property
    def told(self) -> list[Told]:
        """Every event that stands, then the one that comes, if any."""
        file = self._folder / TALE
        content = file.read_bytes() if file.exists() else b""
        whole = content[: content.rfind(b"\n") + 1].splitlines()
        all_told = [msgspec.json.decode(line, type=Told) for line in whole]
        return [told for told in all_told if told.stands] + [
            told for told in all_told[-1:] if not told.stands
        ]

    def order(self, what: str) -> None:
        """To `begin`, `finish`, `fail`, or to `end the child`."""
        (self._folder / what).touch()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.signal(number)

    def kill(self, *, with_group: bool) -> None:
        """SIGKILL for the worker alone, or for its group; it is gone on return."""
        assert self._process is not None
        if with_group:
            self._process.kill()
        else:
            self._process.signal(signal.SIGKILL)
        wait_until(lambda: not self.is_alive, "the end of a killed worker")

    def end_all(self) -> None:
        """End the worker and its child, whatever they are at."""
        self.order("end the child")
        if self.is_alive:
            self.kill(with_group=True)


class Stage:
    """Where the workers of one test get their orders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: list[StagedWorker] = []

    def prepare(self, run: RunFolder, script: Script, *, resume: bool = False) -> StagedWorker:
        """A worker that is still to be started."""
        worker = StagedWorker(run, script, self._folder / uuid.uuid4().hex, resume=resume)
        self._workers.append(worker)
        return worker

    def clear(self) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.end_all()


@contextlib.contextmanager
def elsewhere(act: Callable[[], object]) -> Iterator[int]:
    """A process that does `act` and then stays as it is to the end of the block; its id."""
    parent = os.getpid()
    reader, writer = os.pipe()

    def stay(kept: object) -> int:
        os.write(writer, b".")
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        return 0

    process = ForkedProcess(lambda: stay(act()))
    os.close(writer)
    try:
        assert os.read(reader, 1) == b".", "the other process failed"
        yield process.pid
        assert process.poll() is None, "the other process was ended"
    finally:
        os.close(reader)
        process.send_signal(signal.SIGKILL)
        process.wait()
