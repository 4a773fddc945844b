"""What can be done with a run in its state."""

from __future__ import annotations

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


def check_resumable(record: RunRecord, epochs: int, *, force: bool) -> None:
    """Make sure that a run can go on to a total of `epochs`.

    Raises:
        RunStateError: it is live, written by a newer program, or has no epochs left; with
            `force` an unknown state is let through.
    """
    run, snapshot = record.run, record.snapshot
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
    if record.state is RunState.FINISHED and epochs <= snapshot.epochs:
        raise RunStateError(
            f"{run} has trained all its {snapshot.epochs} epochs.",
            f"Give a larger total: tuitrain resume {run} --epochs {2 * snapshot.epochs}.",
        )
    if snapshot.steps_per_epoch and epochs * snapshot.steps_per_epoch < snapshot.step:
        trained = -(-snapshot.step // snapshot.steps_per_epoch)
        raise RunStateError(
            f"{run} is in epoch {trained} already; {epochs} cannot be its total.",
            f"Give a total of at least {trained}: tuitrain resume {run} --epochs {trained}.",
        )
