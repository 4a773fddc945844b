"""How much of a resumed run is the run that was never interrupted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tui_trainer.core.config import RunConfig


class Exactness(StrEnum):
    """What a resumed run repeats, the most first.

    `exact`: every number, to the bit. `sample-exact`: the same samples in the same order under the
    same settings, but rounded otherwise. `approximate`: something it learns from has changed.
    """

    EXACT = "exact"
    SAMPLE_EXACT = "sample-exact"
    APPROXIMATE = "approximate"

    @property
    def rank(self) -> int:
        """0 for the most exact; greater is less."""
        return list(Exactness).index(self)


class Difference(NamedTuple):
    """What has changed since the checkpoint was saved, in words, and what it leaves exact."""

    text: str
    exactness: Exactness


def exactness_of(differences: Iterable[Difference]) -> Exactness:
    """The least exact of the differences; exact without any."""
    found = (difference.exactness for difference in differences)
    return max(found, key=lambda exactness: exactness.rank, default=Exactness.EXACT)


Settings = dict[str, Any]

# Settings that change no number of a step, or of which the resolved values are compared.
_NO_MATTER = {
    "data.placement", "data.workers", "hardware.activation_checkpointing", "hardware.compile",
    "hardware.debug_cuda", "hardware.device", "hardware.precision", "hardware.threads",
    "training.detect_anomaly", "training.early_stopping", "training.epochs", "training.non_finite",
}  # fmt: skip
_NO_MATTER_PARTS = {"checkpoints", "tensorboard"}


def settings_that_matter(config: RunConfig) -> Settings:
    """The settings, by `part.field`, that decide what numbers a run computes."""
    parts = msgspec.json.decode(msgspec.json.encode(config))
    return {
        key: value
        for part, fields in parts.items()
        if part not in _NO_MATTER_PARTS
        for field, value in fields.items()
        if (key := f"{part}.{field}") not in _NO_MATTER
    }


def compare_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The settings that differ; those that only one version of the program has do not count."""
    return [
        Difference(f"{key} changed from {before[key]!r} to {now[key]!r}", Exactness.APPROXIMATE)
        for key in before
        if key in now and before[key] != now[key]
    ]
