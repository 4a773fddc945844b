"""Several sources as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.reading import read_all
from tests.prepared import make_source
from tests.tasks import MARKERS, marked_texts, stripes
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_versions import hash_data
from tui_trainer.core.specs import SourceFacts
from tui_trainer.data.prepare.engine import Preparation
from tui_trainer.data.prepare.joined import join_sources
from tui_trainer.data.prepare.source import Block, ReadTask, ReadySource, Source
from tui_trainer.errors import DatasetError

_DIGITS = DATASETS["digits"]
_ORIGIN = SourceFacts(reference="folder:/a+own.py:B", preparation=PreparationConfig())


def source_of(classes: tuple[str, ...], count: int, seed: int) -> Source:
    import msgspec

    entry = msgspec.structs.replace(_DIGITS, classes=classes)
    arrays = {"train": stripes(entry, count, seed), "test": stripes(entry, count // 2, seed + 1)}
    return make_source(entry, arrays)


def test_samples_follow_each_other_and_classes_of_one_name_are_one() -> None:
    one, other = source_of(("a", "b"), 8, 1), source_of(("b", "c"), 6, 3)
    joined = join_sources([one, other], 0.2, 0)
    assert joined.facts.classes == ("a", "b", "c")
    read = read_all(joined)
    assert read.numbers == list(range(12 + 9))
    first, second = read_all(one), read_all(other)
    assert np.array_equal(read.inputs, np.concatenate([first.inputs, second.inputs]))
    assert read.labels[:12].tolist() == first.labels.tolist()
    assert read.labels[12:].tolist() == (second.labels + 1).tolist()
    assert joined.splits_N is not None
    assert np.bincount(joined.splits_N).tolist() == [14, 7]


def test_a_source_without_splits_gives_a_share_of_its_own() -> None:
    bare = source_of(("a", "b"), 20, 1)
    bare = ReadySource(bare.facts, bare.labels_N, bare.tasks)
    joined = join_sources([source_of(("a", "b"), 8, 1), bare], 0.2, 0)
    assert joined.splits_N is not None
    assert np.bincount(joined.splits_N[12:]).tolist() == [24, 6]


def test_what_is_not_alike_is_not_joined(tmp_path: Path) -> None:
    digits = source_of(("a", "b"), 8, 1)
    mnist = make_source(DATASETS["mnist"], {"train": stripes(DATASETS["mnist"], 20, 1)})
    texts = make_source(MARKERS, {"train": marked_texts(MARKERS, 6, 1)})
    with pytest.raises(DatasetError, match="1×8×8 and 1×28×28") as caught:
        join_sources([digits, mnist], 0.2, 0)
    assert "--size" in caught.value.hint
    with pytest.raises(DatasetError, match="images with tokens"):
        join_sources([digits, texts], 0.2, 0)
    with pytest.raises(DatasetError, match="a vocabulary of its own"):
        join_sources([texts, texts], 0.2, 0)


def test_what_cannot_be_sent_to_another_process_is_read_in_this_one(tmp_path: Path) -> None:
    """Such as the open files of a user's own class, beside a folder of images."""
    heavy = replace(source_of(("a", "b"), 8, 1), is_heavy=True)  # type: ignore[type-var]
    images, labels = stripes(_DIGITS, 8, 3)

    def read() -> Iterator[ReadTask]:
        yield lambda: Block(np.arange(8), images)

    own = ReadySource(heavy.facts, labels % 2, read)
    joined = join_sources([heavy, own], 0.25, 0)
    spec = Preparation(tmp_path, "both", joined, _ORIGIN, 2).run(lambda done, total: None)
    alone = Preparation(tmp_path, "alone", joined, _ORIGIN, 1).run(lambda done, total: None)
    assert hash_data(spec) == hash_data(alone)
    assert sum(part.count for part in spec.splits.values()) == 20
