"""What can be done with a run in its state."""

from __future__ import annotations

from tui_trainer.core.config.training import TrainingConfig
from tui_trainer.core.format import format_counted
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.errors import RunStateError


def next_commands(record: RunRecord) -> tuple[str, ...]:
    """The commands that make sense for a run now, the likeliest first."""
    run = record.run
    if record.state is RunState.FINISHED:
        return (f"tuitrain eval {run}", f"tuitrain export-onnx {run}")
    if record.state.is_live:
        return (f"tuitrain attach {run}", f"tuitrain runs stop {run}")
    if record.state is RunState.STOPPED:
        return (f"tuitrain resume {run}",)
    return (f"tuitrain resume {run}", f"tuitrain runs logs {run}")


def check_resumable(record: RunRecord, config: TrainingConfig, *, force: bool) -> None:
    """Make sure that a run can go on to the total of epochs in `config`.

    Raises:
        RunStateError: it is live, written by a newer program, has no epochs left, or stopped
            early and would again; with `force` an unknown state is let through.
    """
    run = record.run
    if record.state is RunState.UNKNOWN and not force:
        raise RunStateError(
            f"It cannot be known whether {run} is being trained: locks do not work there.",
            "Make sure that it is not, then repeat with --force.",
        )
    if record.state.is_live:
        raise RunStateError(
            f"{run} is {record.state.value} (process {record.pid}).",
            f"Watch it with: tuitrain attach {run}.",
        )
    if record.newer_version:
        raise RunStateError(f"{run} was written by a newer tuitrain.", "Update tuitrain first.")
    if record.state is RunState.FINISHED and record.snapshot.stopped_early:
        _check_patience(record, config.early_stopping)
    _check_total(record, config.epochs)


def _check_patience(record: RunRecord, patience: int) -> None:
    """Early stopping that would end the run at once again has to be changed first."""
    run, snapshot = record.run, record.snapshot
    if patience == 0 or snapshot.best is None or not snapshot.steps_per_epoch:
        return
    waited = (snapshot.step - snapshot.best.step) // snapshot.steps_per_epoch
    if waited < patience:
        return
    raise RunStateError(
        f"{run} stopped early after {snapshot.epoch} of "
        f"{format_counted(snapshot.epochs, 'epoch')}.",
        f"Set training.early_stopping in its config.toml to 0, or above {waited}, then resume.",
    )


def _check_total(record: RunRecord, epochs: int) -> None:
    run, snapshot = record.run, record.snapshot
    trained = snapshot.epoch if snapshot.stopped_early else snapshot.epochs
    if record.state is RunState.FINISHED and epochs <= trained:
        raise RunStateError(
            f"{run} has trained all its {format_counted(trained, 'epoch')}.",
            f"Give a larger total: tuitrain resume {run} --epochs {2 * trained}.",
        )
    if snapshot.steps_per_epoch and epochs * snapshot.steps_per_epoch < snapshot.step:
        trained = -(-snapshot.step // snapshot.steps_per_epoch)
        raise RunStateError(
            f"{run} is in epoch {trained} already; {epochs} cannot be its total.",
            f"Give a total of at least {trained}: tuitrain resume {run} --epochs {trained}.",
        )
