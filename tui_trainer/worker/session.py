"""One session of training a run: from the lease to the last event."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.jobs import JobResult, TrainJob, success
from tui_trainer.core.run_record import describe
from tui_trainer.errors import RunStateError, TuitrainError
from tui_trainer.store.control import Inbox
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.lease import acquire_lease, acquire_tree
from tui_trainer.store.run_folder import RunFolder, read_environment, read_run
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.interrupts import Interrupts
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
    stopped_by_signal = interrupts.stop_signal if isinstance(ending, events.Stopped) else None
    return success(describe(read_run(RunFolder(run))), exit_status_of(stopped_by_signal))


def _train_logged(
    job: TrainJob, run: Path, writer: RunWriter, interrupts: Interrupts
) -> events.Event:
    try:
        ending = _train(job, run, writer, interrupts)
    except BaseException as error:
        writer.emit(_failure_event(error, writer.fold.snapshot.step))
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


def _train(
    job: TrainJob, run: Path, writer: RunWriter, interrupts: Interrupts
) -> events.Finished | events.Stopped:
    threads, threads_choice = choose_threads(job.config.hardware.threads)
    from tui_trainer.train.control import ControlDesk
    from tui_trainer.train.hardware import make_repeatable, set_threads
    from tui_trainer.train.setup import set_up
    from tui_trainer.train.tensorboard import ScalarBoard
    from tui_trainer.train.trainer import Trainer

    set_threads(threads)
    make_repeatable()
    task = set_up(job.config, Path(job.data_dir), threads=threads, choices=[threads_choice])
    progress, lr_changes, notes = _begin(job, run, task)
    if progress.step >= task.steps and writer.fold.snapshot.phase == "finished":
        raise RunStateError(
            f"{run.name} has trained all its {job.config.training.epochs} epochs.",
            f"Give a larger total: tuitrain resume {run.name} --epochs N.",
        )
    writer.emit(_start_event(job, run, task, progress))
    for note in notes:
        writer.emit(events.Message(text=note, level="warning"))
    board = ScalarBoard(run / paths.TENSORBOARD, job.config.tensorboard, from_step=progress.step)
    desk = ControlDesk(Inbox(run), writer, interrupts, job.session, lr_changes=lr_changes)
    trainer = Trainer(task, progress, writer, desk, board, run / paths.CHECKPOINTS)
    try:
        return trainer.run()
    finally:
        board.close()


def _begin(job: TrainJob, run: Path, task: Any) -> tuple[Any, list[tuple[int, float]], list[str]]:
    """Where training begins: progress, learning rates to set again, notes for the log."""
    from tui_trainer.checkpoints.read import read_newest
    from tui_trainer.checkpoints.write import sweep_unpublished
    from tui_trainer.train.resume import abandoned_lr_changes, restore
    from tui_trainer.train.trainer import Progress

    if not job.resume:
        return Progress(), [], []
    sweep_unpublished(run / paths.CHECKPOINTS)
    checkpoint, notes = read_newest(run / paths.CHECKPOINTS)
    if checkpoint is None:
        changes = abandoned_lr_changes(_log_events(run), 0)
        return Progress(), changes, [*notes, "no checkpoint yet: training begins at step 0"]
    differences = restore(task, checkpoint)
    notes += [f"not exact: {difference}" for difference in differences]
    state = checkpoint.state
    progress = Progress(
        step=state.step,
        lr_scale=state.lr_scale,
        best=state.best,
        totals=msgspec.structs.replace(state.totals),
        saved=state,
    )
    return progress, abandoned_lr_changes(_log_events(run), state.step), notes


def _log_events(run: Path) -> Iterator[events.Event]:
    reader = EventLogReader(run / paths.EVENTS)
    while True:
        batch = reader.read()
        yield from batch.events
        if batch.at_end:
            return


def _start_event(job: TrainJob, run: Path, task: Any, progress: Any) -> events.SessionStart:
    from tui_trainer.models.zoo import count_parameters

    config = job.config
    figures: dict[str, Any] = {
        "session": job.session,
        "uuid": read_environment(run).uuid,
        "dataset": config.data.dataset,
        "model": config.model.name,
        "device": str(task.device),
        "device_name": task.device_title,
        "epochs": config.training.epochs,
        "steps": task.steps,
        "steps_per_epoch": task.steps_per_epoch,
        "batch_size": config.data.batch_size,
        "seed": config.training.seed,
        "threads": task.threads,
        "parameters": count_parameters(task.model),
        "train_count": len(task.train),
        "validation_count": len(task.validation) if task.validation is not None else 0,
        "test_count": len(task.test),
        "choices": task.choices,
        "config_sha256": _sha256(run / paths.CONFIG),
        "environment_sha256": _sha256(run / paths.ENVIRONMENT),
        "data_sha256": task.data_sha256,
        "pid": os.getpid(),
    }
    if job.resume:
        return events.Resumed(from_step=progress.step, best=progress.best, **figures)
    return events.RunStarted(**figures)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
