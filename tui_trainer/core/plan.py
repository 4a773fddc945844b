"""What a configuration comes to, before anything is started: samples and steps."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import RunConfig
from tui_trainer.core.format import format_count


@dataclass(frozen=True)
class Plan:
    """About how many samples there will be in each split, and how many optimizer steps."""

    train_count: int
    validation_count: int
    test_count: int
    steps: int

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Each of its figures in words."""
        return (
            f"about {format_count(self.train_count)} samples to train on",
            f"{format_count(self.validation_count)} for validation",
            f"{format_count(self.test_count)} for the test",
            f"{format_count(self.steps)} steps",
        )

    def __str__(self) -> str:
        """The plan in words."""
        return ", ".join(self.parts)


def make_plan(config: RunConfig) -> Plan:
    """The plan of a configuration whose dataset is in the catalogue."""
    entry = DATASETS[config.data.dataset]
    held_out = round(entry.train_count * config.data.validation)
    train_count = entry.train_count - held_out
    batch_size = config.data.batch_size * config.optimizer.accumulate
    steps = -(-train_count // batch_size) * config.training.epochs
    return Plan(train_count, held_out, entry.test_count, steps)
