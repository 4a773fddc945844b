"""What a configuration comes to, before anything is started: samples and steps."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import RunConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.specs import DatasetSpec


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


def make_plan(config: RunConfig, spec: DatasetSpec | None = None) -> Plan | None:
    """The plan of a configuration, where its samples can be counted.

    Args:
        spec: The dataset as it is prepared, if it is; else the catalogue counts its samples.
    """
    counts = _count_samples(config.data.dataset, spec)
    if counts is None:
        return None
    train_count, validation_count, test_count = counts
    train_counts = _class_counts(spec) or (train_count,)
    if config.data.validation > 0 and not validation_count:
        train_counts, validation_count = _hold_out(train_counts, config.data.validation)
    train_counts, _ = _hold_out(train_counts, 1 - config.data.subset)
    train_count = sum(train_counts)
    batch_size = config.data.batch_size * config.optimizer.accumulate
    steps = -(-train_count // batch_size) * config.training.epochs
    return Plan(train_count, validation_count if config.data.validation else 0, test_count, steps)


def _class_counts(spec: DatasetSpec | None) -> tuple[int, ...]:
    """Training samples of each class, where those are counted."""
    if spec is None or spec.task != "classification":
        return ()
    return tuple(filter(None, spec.splits["train"].class_counts))


def _hold_out(counts: tuple[int, ...], share: float) -> tuple[tuple[int, ...], int]:
    """How many samples of each class stay, and how many go, where `share` of them is to go."""
    # As `data.split` does: of every class one sample stays.
    gone = [min(round(share * count), count - 1) for count in counts]
    return tuple(count - n for count, n in zip(counts, gone, strict=True)), sum(gone)


def _count_samples(dataset: str, spec: DatasetSpec | None) -> tuple[int, int, int] | None:
    """Samples to train on, those of an official validation split, and those of the test."""
    if spec is not None:
        parts = (spec.splits.get(name) for name in ("train", "validation", "test"))
        train, validation, test = (part.count if part is not None else 0 for part in parts)
        return train, validation, test
    entry = DATASETS.get(dataset)
    if entry is None or not entry.train_count:
        return None
    return entry.train_count, entry.validation_count, entry.test_count
