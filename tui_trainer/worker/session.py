"""One session of training a run: from the lease to the last event."""

from __future__ import annotations

import os
import traceback
from contextlib import ExitStack, closing
from pathlib import Path

from tui_trainer.core import events
from tui_trainer.core.jobs import JobResult, TrainJob, success
from tui_trainer.core.run_record import describe
from tui_trainer.errors import ExitStatus, ReportedError, TuitrainError
from tui_trainer.imports import without_collection
from tui_trainer.store.lease import acquire_lease, acquire_tree
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker.allocator import keep_freed_memory
from tui_trainer.worker.signals import exit_status_of
from tui_trainer.worker.threads import choose_threads


def run_session(job: TrainJob, interrupts: Interrupts) -> JobResult:
    """Train the run of `job` until it ends or is stopped.

    Raises:
        TuitrainError: it failed; the log says so, if the run could be taken at all.
    """
    run = Path(job.run_path)
    # Before torch, which takes a second to import: from here on the run is seen as starting.
    with ExitStack() as held:
        lease = acquire_lease(run, job.session, force=job.force)
        if lease is not None:
            held.callback(lease.release)
        tree = acquire_tree(run)
        if tree is not None:
            held.callback(os.close, tree)
        with closing(RunWriter(run)) as writer:
            ending = _train_logged(job, run, writer, interrupts)
            stop_signal = interrupts.stop_signal
            writer.wait_for_room(lambda: interrupts.stop_signal == stop_signal)
    stopped_by_signal = interrupts.stop_signal if isinstance(ending, events.Stopped) else None
    return success(describe(read_run(RunFolder(run))), exit_status_of(stopped_by_signal))


def _train_logged(
    job: TrainJob, run: Path, writer: RunWriter, interrupts: Interrupts
) -> events.Event:
    try:
        threads, threads_choice = choose_threads(job.config.hardware.threads)
        keep_freed_memory()
        if job.config.hardware.debug_cuda:
            # Read when CUDA is first used. An error is then raised where it happened.
            os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
        with without_collection():
            from tui_trainer.worker.training import train_run

        ending = train_run(job, writer, interrupts, threads, threads_choice)
    except BaseException as error:
        snapshot = writer.fold.snapshot
        if snapshot.session in ("", job.session):
            writer.emit(_failure_event(error, snapshot.step))
        else:
            # This session never began: what the last one reached still stands.
            writer.emit(events.Message(text=f"not resumed: {error}"[:1000], level="error"))
        if isinstance(error, TuitrainError) and snapshot.session == job.session:
            # Training began: nothing was refused, whatever the error is elsewhere.
            raise ReportedError(error.code, error.message, error.hint, ExitStatus.FAILED) from error
        raise
    writer.emit(ending)
    return ending


def _failure_event(error: BaseException, step: int) -> events.Failed:
    known = isinstance(error, TuitrainError)
    return events.Failed(
        step=step,
        code=error.code if isinstance(error, TuitrainError) else "internal",
        type=type(error).__name__,
        message=(error.message if isinstance(error, TuitrainError) else str(error))[:10_000],
        hint=error.hint if isinstance(error, TuitrainError) else "",
        traceback="" if known else traceback.format_exc()[-100_000:],
    )
