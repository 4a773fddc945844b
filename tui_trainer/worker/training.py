"""The part of a session that needs torch: from a configuration to a trained run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tui_trainer import paths
from tui_trainer.checkpoints.read import read_newest
from tui_trainer.core import events
from tui_trainer.core.jobs import TrainJob
from tui_trainer.errors import RunStateError
from tui_trainer.models.zoo import count_parameters
from tui_trainer.store.atomic import sweep_hidden
from tui_trainer.store.control import Inbox
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.hashing import hash_file
from tui_trainer.store.run_folder import read_environment
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.control import ControlDesk
from tui_trainer.train.hardware import make_repeatable, set_threads
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.train.resume import abandoned_lr_changes, restore
from tui_trainer.train.setup import Task, set_up
from tui_trainer.train.tensorboard import ScalarBoard
from tui_trainer.train.trainer import Progress, Trainer


def train_run(
    job: TrainJob, writer: RunWriter, interrupts: Interrupts, threads: int, threads_choice: str
) -> events.Finished | events.Stopped:
    """Train the run of `job` to its end, logging to `writer`; the last event comes back."""
    set_threads(threads)
    make_repeatable()
    config = job.config
    task = set_up(config, Path(job.data_dir), threads=threads, choices=[threads_choice])
    before = writer.fold.snapshot
    progress, notes = _resume(job, task) if job.resume else (Progress(), [])
    if progress.step >= task.steps and before.phase == "finished":
        raise RunStateError(
            f"{writer.run.name} has trained all its {config.training.epochs} epochs.",
            f"Give a larger total: tuitrain resume {writer.run.name} --epochs N.",
        )
    if before.epochs not in (0, config.training.epochs) and config.schedule.name != "constant":
        notes.append(
            f"the {config.schedule.name} schedule is now spread over {config.training.epochs} "
            f"epochs, not {before.epochs}: the learning rate jumps to where it stands there"
        )
    writer.emit(_start_event(job, task, progress))
    for note in notes:
        writer.emit(events.Message(text=note, level="warning"))
    from_step = progress.step if job.resume else None
    changes = abandoned_lr_changes(_log_events(writer.run), progress.step) if job.resume else []
    board = ScalarBoard(writer.run / paths.TENSORBOARD, config.tensorboard, from_step=from_step)
    desk = ControlDesk(Inbox(writer.run), writer, interrupts, job.session, lr_changes=changes)
    trainer = Trainer(task, progress, writer, desk, board, writer.run / paths.CHECKPOINTS)
    try:
        return trainer.run()
    finally:
        board.close()


def _resume(job: TrainJob, task: Task) -> tuple[Progress, list[str]]:
    """Put the newest checkpoint into `task`; where training stands then, and notes for the log."""
    checkpoints = Path(job.run_path) / paths.CHECKPOINTS
    sweep_hidden(checkpoints)
    checkpoint, notes = read_newest(checkpoints)
    if checkpoint is None:
        return Progress(), [*notes, "no checkpoint yet: training begins at step 0"]
    notes += [f"not exact: {difference}" for difference in restore(task, checkpoint)]
    state = checkpoint.state
    progress = Progress(
        step=state.step,
        lr_scale=state.lr_scale,
        best=state.best,
        totals=msgspec.structs.replace(state.totals),
        saved=state,
    )
    return progress, notes


def _log_events(run: Path) -> Iterator[events.Event]:
    reader = EventLogReader(run / paths.EVENTS)
    while True:
        batch = reader.read()
        yield from batch.events
        if batch.at_end:
            return


def _start_event(job: TrainJob, task: Task, progress: Progress) -> events.SessionStart:
    config, run = job.config, Path(job.run_path)
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
        "config_sha256": hash_file(run / paths.CONFIG),
        "environment_sha256": hash_file(run / paths.ENVIRONMENT),
        "data_sha256": task.data_sha256,
        "pid": os.getpid(),
    }
    if job.resume:
        return events.Resumed(from_step=progress.step, best=progress.best, **figures)
    return events.RunStarted(**figures)
