"""What `train` and `resume` share: starting a worker and staying with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer

from tui_trainer.cli.dashboard import check_terminal, open_dashboard
from tui_trainer.cli.follow import follow
from tui_trainer.cli.live import make_display
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.core.format import format_count, format_counted, format_duration, format_metric
from tui_trainer.core.jobs import TrainJob
from tui_trainer.core.next_steps import next_commands
from tui_trainer.core.run_record import RunRecord, describe
from tui_trainer.core.run_state import RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import ExitStatus, UsageError
from tui_trainer.launch.spawn import WorkerProcess, start_training
from tui_trainer.launch.starting import Waiting, await_start, settle
from tui_trainer.store.run_folder import RunFolder, read_run

_METRIC_LIMIT = 16


@dataclass(frozen=True)
class Manner:
    """How the person wants to stay with the run.

    Raises:
        UsageError: that cannot be.
    """

    detach: bool
    dashboard: bool
    as_json: bool

    def __post_init__(self) -> None:
        """Tell before a run is made, not after."""
        if self.detach and self.dashboard:
            raise UsageError("--detach and --dashboard exclude each other.", "Give one of them.")
        if self.dashboard and self.as_json:
            raise UsageError("--dashboard and --json exclude each other.", "Give one of them.")
        if self.dashboard:
            check_terminal()


def begin(folder: RunFolder, job: TrainJob, manner: Manner) -> None:
    """Start the worker, then detach, open the dashboard, or follow to the end.

    Raises:
        TuitrainError: the run could not be started, or failed.
        typer.Exit: with the run's exit status, where it is not 0.
    """
    if manner.detach or manner.dashboard:
        worker = start_training(folder.path, job)
        record = _await_start(folder, worker, job.session)
        if manner.dashboard:
            _open_dashboard(folder, Path(job.data_dir))
        elif manner.as_json:
            print_json(describe(record))
        else:
            print_line(folder.run)
        return
    with _signals_kept() as signals:
        worker = start_training(folder.path, job)

        def is_over(_: RunRecord) -> bool:
            signals.pass_on(worker)
            return not worker.is_alive

        follow(folder, make_display, is_over)
        status = _settle(folder, worker, job.session, signals.received)
    record = read_run(folder)
    if manner.as_json:
        print_json(describe(record))
    else:
        print_ending(record)
    if status:
        raise typer.Exit(int(status))


def _await_start(folder: RunFolder, worker: WorkerProcess, session: str) -> RunRecord:
    try:
        return await_start(folder, worker, session, Waiting(say))
    except KeyboardInterrupt:
        say(f"{folder.run} goes on; stop it with: tuitrain runs stop {folder.run}")
        raise


def _open_dashboard(folder: RunFolder, data_dir: Path) -> None:
    open_dashboard(folder.path.parent, [folder.run], data_dir=data_dir)
    record = read_run(folder)
    if record.state.is_live:
        say(f"{folder.run} goes on; come back with: tuitrain attach {folder.run}")
    else:
        show_ending(record, as_json=False)


class _Signals:
    """SIGINT and SIGTERM on their way to the worker: the first one stops it, the second ends it."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._num_passed = 0

    def pass_on(self, worker: WorkerProcess) -> None:
        """Tell the worker what has come since the last call."""
        received = len(self.received)
        if received > self._num_passed == 0:
            worker.signal(signal.Signals(self.received[0]))
            say("stopping with a checkpoint; once more ends the run at once")
        if received > 1:
            worker.kill()
        self._num_passed = received


@contextmanager
def _signals_kept() -> Iterator[_Signals]:
    """Keep SIGINT and SIGTERM for a worker instead of obeying them.

    A hang-up ends this process only: the run goes on.
    """
    signals = _Signals()

    def keep(number: int, frame: FrameType | None) -> None:
        signals.received.append(number)

    before = {number: signal.signal(number, keep) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _settle(folder: RunFolder, worker: WorkerProcess, session: str, received: list[int]) -> int:
    """The exit status of a worker that has ended.

    Raises:
        TuitrainError: the run failed, or the worker died unasked.
    """
    if len(received) > 1:
        say(f"ended at once; go on from the last checkpoint with: tuitrain resume {folder.run}")
        by_int = received[-1] == signal.SIGINT
        return ExitStatus.INTERRUPTED if by_int else ExitStatus.TERMINATED
    return settle(folder, worker, session)


def show_ending(record: RunRecord, *, as_json: bool) -> None:
    """How a run that someone else started ended.

    Raises:
        typer.Exit: with status 1, where it failed or was interrupted.
    """
    if as_json:
        print_json(describe(record))
    else:
        print_ending(record)
    if record.state in (RunState.FAILED, RunState.INTERRUPTED):
        error = record.snapshot.error
        if error is not None:
            say(f"{error.message} {error.hint}")
        raise typer.Exit(int(ExitStatus.FAILED))


def print_ending(record: RunRecord) -> None:
    """How a run ended, and what can be done next."""
    snapshot = record.snapshot
    epochs = f"{snapshot.epoch} of {format_counted(snapshot.epochs, 'epoch')}"
    parts = [f"{record.title} {record.state.value}", epochs]
    parts.append(f"trained {format_duration(snapshot.elapsed_s)}")
    if snapshot.checkpoint_step is not None and record.state is not RunState.FINISHED:
        parts.append(f"checkpoint at step {format_count(snapshot.checkpoint_step)}")
    print_line("  ".join(parts))
    if snapshot.stopped_early:
        print_line(snapshot.reason)
    figures = []
    test = snapshot.last.get("test")
    if test is not None:
        metric = sanitize(snapshot.metric, limit=_METRIC_LIMIT)
        figures.append(f"test {metric} {format_metric(test.get(snapshot.metric))}")
        figures.append(f"test loss {format_metric(test.get('loss'))}")
    if snapshot.best is not None:
        step = format_count(snapshot.best.step)
        best, metric = snapshot.best, sanitize(snapshot.best.metric, limit=_METRIC_LIMIT)
        figures.append(f"best validation {metric} {format_metric(best.value)} at step {step}")
    if figures:
        print_line("  ".join(figures))
    print_line(record.path)
    say(f"next: {'   '.join(next_commands(record))}")
