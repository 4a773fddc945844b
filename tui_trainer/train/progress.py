"""Where the training of a run stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from tui_trainer.checkpoints.state import EpochTotals, TrainingState
from tui_trainer.core import events
from tui_trainer.core.schedules import PlateauWatch
from tui_trainer.train.setup import Task


@dataclass
class Progress:
    """Where training stands; what a checkpoint keeps of the loop."""

    step: int = 0
    lr_scale: float = 1.0
    best: events.Best | None = None
    totals: EpochTotals = field(default_factory=EpochTotals)
    plateau: PlateauWatch = field(default_factory=PlateauWatch)
    micro_batch: int = 0
    saved: TrainingState | None = None
    left_out: tuple[tuple[int, int], ...] = ()

    def leaves_out(self, step: int) -> bool:
        """Whether `step` is one of those that are not trained."""
        return any(first <= step <= last for first, last in self.left_out)


def has_stalled(task: Task, progress: Progress) -> bool:
    """Whether validation has not been better for as long as the run was told to wait."""
    patience, best = task.config.training.early_stopping, progress.best
    if patience == 0 or best is None:
        return False
    return progress.step - best.step >= patience * task.steps_per_epoch
