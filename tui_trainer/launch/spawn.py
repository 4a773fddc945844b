"""Starting worker processes: in a session of their own, deaf to this terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tui_trainer import paths
from tui_trainer.core.job_progress import JobProgress, read_figures
from tui_trainer.core.jobs import Job, JobResult, TrainJob
from tui_trainer.errors import ExitStatus, StorageError, WorkerError
from tui_trainer.launch.starter import at_kept_priority
from tui_trainer.store.job_folder import read_progress, read_result, write_job
from tui_trainer.store.lease import acquire_launch, holder_of

_POLL_S = 0.01
_PROGRESS_POLL_S = 0.05
_END_S = 10.0


class WorkerProcess:
    """A worker that this process started."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
        self._process = process
        self._folder = folder
        self.log = log

    @property
    def pid(self) -> int:
        """The worker's process id, which is also its group's."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the worker still runs."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker alone; nothing where it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the worker and all its children at once."""
        # Not yet waited for, so the id cannot have been given to a stranger.
        if self.is_alive:
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> JobResult:
        """How the job ended.

        Raises:
            WorkerError: the worker ended without saying so.
        """
        status = self._process.wait()
        result = read_result(self._folder)
        if result is None:
            raise WorkerError(
                f"The worker process ended without a result: {_describe_status(status)}.",
                "Repeat the command with --debug to see what it printed.",
            )
        return result


def _describe_status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"it was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was killed by signal {-status}"


def _start(folder: Path, log: Path) -> WorkerProcess:
    with open(log, "ab") as output:
        process = at_kept_priority(
            lambda: subprocess.Popen(
                [sys.executable, "-P", "-m", "tui_trainer.worker", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        )
    return WorkerProcess(process, folder, log)


def start_training(run: Path, job: TrainJob) -> WorkerProcess:
    """Start a worker on a run; on return it holds the run's lease, or it has ended.

    Raises:
        RunStateError: the run is being trained, or started by someone else.
        StorageError: the run's folder cannot be written.
    """
    try:
        return _start_training(run, job)
    except OSError as error:
        raise StorageError(
            f"{run.name} could not be started: {error.filename or run}: {error.strerror or error}.",
            "Free some space, or mend the disk or the permissions, then try: "
            f"tuitrain resume {run.name}.",
        ) from error


def _start_training(run: Path, job: TrainJob) -> WorkerProcess:
    launch_lock = acquire_launch(run, job.session, force=job.force)
    try:
        folder = run / paths.JOB_FOLDER
        write_job(folder, job)
        worker = _start(folder, run / paths.WORKER_LOG)
        while worker.is_alive:
            held, _, session = holder_of(run / paths.WORKER_LEASE)
            if held is None or (held and session == job.session):
                break
            time.sleep(_POLL_S)
        return worker
    finally:
        if launch_lock is not None:
            launch_lock.release()


def run_job(
    job: Job,
    say: Callable[[str], object],
    is_wanted: Callable[[], bool] = lambda: True,
    report: Callable[[JobProgress], object] | None = None,
    on_interrupt: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Do a short job in a worker, pass on its progress, and return its value.

    `report` hears how far it is; without one, `say` hears what is being done, once.
    `on_interrupt` is called on Ctrl-C at once, before the worker is given time to end.

    Raises:
        ReportedError: the job failed.
        WorkerError: the worker ended without a result, or was ended as it is not wanted any more.
    """
    with _termination_raised(), tempfile.TemporaryDirectory(prefix="tuitrain-") as scratch:
        folder = Path(scratch)
        write_job(folder, job)
        log = _log_of(job, folder)
        printed_before = log.stat().st_size if log.exists() else 0
        with _ended_with_us(folder, log, on_interrupt) as worker:
            offset, is_over, told = 0, False, ""
            while not is_over:
                # Looked at before the progress is read: what came last is passed on too.
                is_over = not worker.is_alive
                lines, offset = read_progress(folder, offset)
                for line in lines:
                    told = _pass_on(line, told, say, report)
                if not is_over and not is_wanted():
                    raise WorkerError("The job was called off.", "Start it again.")
                if not is_over:
                    time.sleep(_PROGRESS_POLL_S)
            try:
                return worker.wait().unwrap()
            except Exception as error:
                with open(log, "rb") as file:
                    file.seek(printed_before)
                    error.add_note(file.read().decode(errors="replace"))
                raise


def _pass_on(
    line: dict[str, Any],
    told: str,
    say: Callable[[str], object],
    report: Callable[[JobProgress], object] | None,
) -> str:
    """Tell one line of progress; the text that was told last comes back."""
    text, figures = str(line.get("text", "")), read_figures(line)
    if figures is not None and report is not None:
        report(figures)
    elif text and (figures is None or text != told):
        say(text)
    return text


def _log_of(job: Job, folder: Path) -> Path:
    """Where a short job's worker prints: with its run, or in the job's own folder, which goes."""
    run_path = getattr(job, "run_path", "")
    return (Path(run_path) if run_path else folder) / paths.WORKER_LOG


@contextlib.contextmanager
def _termination_raised() -> Iterator[None]:
    """Let SIGTERM end this process by an exception, so that what it started is cleaned up."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(int(ExitStatus.TERMINATED))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, so that what is begun in it is known."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if noted:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _ended_with_us(
    folder: Path, log: Path, on_interrupt: Callable[[], object]
) -> Iterator[WorkerProcess]:
    """A worker at the job in `folder`; it is ended with a block left by Ctrl-C or an error."""
    worker: WorkerProcess | None = None
    try:
        with _interrupts_deferred():
            worker = _start(folder, log)
        yield worker
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            on_interrupt()
        if worker is not None:
            _end(worker)
        raise


def _end(worker: WorkerProcess) -> None:
    """Ask a worker to end, give it some time, and kill it."""
    try:
        if worker.is_alive:
            worker.signal(signal.SIGINT)
        deadline = time.monotonic() + _END_S
        while worker.is_alive and time.monotonic() < deadline:
            time.sleep(_PROGRESS_POLL_S)
    finally:
        # Also when whoever waits here loses patience.
        worker.kill()
