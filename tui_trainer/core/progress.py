"""How far a run is, and how long it has to go."""

from __future__ import annotations

from tui_trainer.core.run_state import RunSnapshot


def progress_share(snapshot: RunSnapshot) -> float:
    """How much of the planned steps is done, 0 to 1."""
    return min(1.0, snapshot.step / snapshot.steps) if snapshot.steps > 0 else 0.0


def remaining_s(snapshot: RunSnapshot) -> float | None:
    """Seconds to the end of the run, evaluations included; None while it cannot be told."""
    if not snapshot.samples_per_s or not snapshot.steps or snapshot.phase == "paused":
        return None
    steps = max(0, snapshot.steps - snapshot.step)
    training_s = steps * snapshot.batch_size / snapshot.samples_per_s
    if not snapshot.validation_count:
        return training_s
    per_sample_s = snapshot.evaluation_s / snapshot.validation_count
    samples = (snapshot.epochs - snapshot.epoch) * snapshot.validation_count
    samples += snapshot.test_count if "test" not in snapshot.last else 0
    return training_s + max(0, samples) * per_sample_s
