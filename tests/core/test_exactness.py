"""What of a run a resume repeats, and what changes that."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from tui_trainer.core import exactness
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.exactness import (
    Difference,
    Exactness,
    compare_settings,
    exactness_of,
    settings_that_matter,
)


def test_the_least_exact_difference_decides() -> None:
    assert exactness_of([]) is Exactness.EXACT
    for kinds in product(Exactness, repeat=2):
        found = exactness_of(Difference("something", kind) for kind in kinds)
        assert found is max(kinds, key=list(Exactness).index)


def test_every_setting_is_compared_or_known_to_change_no_number() -> None:
    config = RunConfig()
    compared = settings_that_matter(config).keys()
    left_out = all_fields().keys() - compared
    parts = exactness._NO_MATTER_PARTS
    assert left_out == exactness._NO_MATTER | {
        key for key in all_fields() if key.split(".")[0] in parts
    }


@pytest.mark.parametrize("key", ["optimizer.lr", "model.name", "augment.flip", "training.seed"])
def test_a_setting_that_differs_is_named(key: str) -> None:
    now = settings_that_matter(RunConfig())
    assert key in now
    (difference,) = compare_settings(now | {key: "other"}, now)
    assert difference == (f"{key} changed from 'other' to {now[key]!r}", Exactness.APPROXIMATE)


def test_settings_survive_a_checkpoint_and_versions_that_know_others() -> None:
    now = settings_that_matter(RunConfig())
    assert msgspec.json.decode(msgspec.json.encode(now)) == now
    assert compare_settings({}, now) == []
    assert compare_settings(now | {"optimizer.gone": 1}, now | {"optimizer.new": 2}) == []
