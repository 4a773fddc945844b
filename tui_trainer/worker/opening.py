"""What a session checks, tells and logs once all is set up, before its first step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tui_trainer import paths
from tui_trainer.checkpoints.read import Checkpoint
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.dataset_reference import short_reference
from tui_trainer.core.exactness import Difference, exactness_of
from tui_trainer.core.format import format_bytes, format_count, format_counted
from tui_trainer.core.jobs import TrainJob
from tui_trainer.core.run_state import RunSnapshot
from tui_trainer.errors import ExactnessError, RunStateError
from tui_trainer.models.zoo import count_parameters
from tui_trainer.store.hashing import hash_file
from tui_trainer.store.run_folder import changed_since_start, read_environment
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.progress import Progress, has_stalled
from tui_trainer.train.setup import Task


def check_accepted(differences: list[Difference], job: TrainJob) -> None:
    """Make sure that the person agreed to what a resume cannot repeat.

    Raises:
        ExactnessError: they did not.
    """
    exactness = exactness_of(differences)
    if exactness.rank <= job.accept.rank:
        return
    run = Path(job.run_path).name
    raise ExactnessError(
        f"It would not go on exactly: {'; '.join(found.text for found in differences)}.",
        f"Undo that, or go on all the same with: tuitrain resume {run} --accept {exactness}.",
    )


def check_goes_on(
    task: Task, progress: Progress, checkpoint: Checkpoint | None, writer: RunWriter
) -> None:
    """Make sure that a run that has finished before has something left to train.

    Raises:
        RunStateError: it has not.
    """
    run, training = writer.run, task.config.training
    if checkpoint is None or writer.fold.snapshot.phase != "finished":
        return
    if progress.step >= task.steps:
        raise RunStateError(
            f"{run.name} has trained all its {format_counted(training.epochs, 'epoch')}.",
            f"Give a larger total: tuitrain resume {run.name} --epochs N.",
        )
    if has_stalled(task, progress):
        waited = format_counted(training.early_stopping, "epoch")
        raise RunStateError(
            f"{run.name} stopped early, and would do so again: its validation was not better "
            f"for {waited}.",
            "Start a run with its weights: tuitrain train … --init-from "
            f"{run / paths.CHECKPOINTS / checkpoint.folder}.",
        )


def notes_on_total(epochs_before: int, config: RunConfig) -> list[str]:
    """What a new total of epochs does to a schedule."""
    name, epochs = config.schedule.name, config.training.epochs
    if epochs_before in (0, epochs) or name == "constant":
        return []
    return [
        f"the {name} schedule is now spread over {epochs} epochs, not {epochs_before}: "
        "the learning rate jumps to where it stands there"
    ]


def notes_on_files(run: Path, before: RunSnapshot) -> list[str]:
    """Which files of the run are not as they were when the session before began."""
    return [
        f"{name} is not as it was when the run last began"
        for name in changed_since_start(run, before)
    ]


def notes_on_room(task: Task, run: Path) -> list[str]:
    """Whether the run's checkpoints may fill the disk."""
    weights = task.model.state_dict().values()
    weights_bytes = sum(getattr(value, "nbytes", 0) for value in weights)
    # A set of weights, an average, and two moments of each weight; the best one, the newest, and
    # one that is being written.
    most_bytes = 4 * weights_bytes * (task.config.checkpoints.keep + 2)
    free_bytes = shutil.disk_usage(run).free
    if most_bytes <= free_bytes:
        return []
    return [
        f"{format_bytes(free_bytes)} are free where the run is kept, and its checkpoints may take "
        f"{format_bytes(most_bytes)}: while the disk is full none is saved"
    ]


def notes_on_shared(task: Task) -> list[str]:
    """Which samples a model is judged on that it was trained on: they flatter it."""
    notes = []
    if task.shared_count and task.validation is not None:
        notes.append(
            f"{format_count(task.shared_count)} of {format_count(len(task.validation))} validation "
            "samples are equal to one that is trained on"
        )
    if task.spec.shared_count:
        notes.append(
            f"{format_count(task.spec.shared_count)} of the held-out samples of "
            f"{short_reference(task.config.data.dataset)} are equal to one of its training samples"
        )
    return notes


def start_event(
    job: TrainJob, task: Task, progress: Progress, differences: list[Difference]
) -> events.SessionStart:
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
        "code": task.code,
        "config_sha256": hash_file(run / paths.CONFIG),
        "environment_sha256": hash_file(run / paths.ENVIRONMENT),
        "data_sha256": task.data_sha256,
        "pid": os.getpid(),
        "metric": task.metric,
    }
    if job.resume:
        return events.Resumed(
            from_step=progress.step,
            best=progress.best,
            exactness=exactness_of(differences),
            differences=tuple(difference.text for difference in differences),
            left_out=progress.left_out,
            **figures,
        )
    return events.RunStarted(**figures)
