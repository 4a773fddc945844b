"""Choosing samples to look at, and making pictures of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.prepare.making import make_dataset, make_images
from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepare.source import Facts
from tui_trainer.data.prepare.texts.tokenizer import VOCABULARY_FILE
from tui_trainer.data.preview import (
    Choice,
    choose_samples,
    describe_label,
    pick_numbers,
    read_rows,
    read_words,
    shrink_images,
    vary_images,
)
from tui_trainer.errors import ConfigError, DatasetError


def spec_of(classes: int) -> DatasetSpec:
    return DatasetSpec(
        name="x",
        title="",
        kind="image",
        shape=(1, 1, 1),
        classes=tuple(map(str, range(classes))),
        mean=(),
        std=(),
        splits={},
        origin="",
    )


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=60),
    st.integers(1, 80),
    st.one_of(st.none(), st.integers(0, 2**53 - 1)),
)
def test_classes_take_turns(labels: list[int], count: int, seed: int | None) -> None:
    array = np.array(labels)
    picked = pick_numbers(spec_of(8), array, Choice("train", count, seed=seed, in_turn=True))
    assert len(picked) == min(count, len(labels)) == len(set(picked.tolist()))
    shown = np.bincount(array[picked], minlength=8)
    left = np.bincount(array, minlength=8) - shown
    # No class is shown twice more than another one that has samples left.
    if count >= len(set(labels)):
        assert all(shown[left > 0] >= shown.max() - 1)
    again = pick_numbers(spec_of(8), array, Choice("train", count, seed=seed, in_turn=True))
    assert (again == picked).all()


@given(st.integers(1, 30), st.one_of(st.none(), st.integers(0, 1000)))
def test_one_class_alone(count: int, seed: int | None) -> None:
    labels = np.arange(40) % 4
    picked = pick_numbers(spec_of(4), labels, Choice("train", count, 2, seed))
    assert (labels[picked] == 2).all()
    assert len(picked) == min(count, 10)
    assert (np.diff(picked) > 0).all()


def test_without_a_seed_the_first_ones_come(tmp_path: Path) -> None:
    labels = np.arange(40) % 4
    assert pick_numbers(spec_of(4), labels, Choice("train", 3)).tolist() == [0, 1, 2]
    first, second = (pick_numbers(spec_of(4), labels, Choice("train", 3, seed=n)) for n in (1, 2))
    assert first.tolist() != second.tolist()


def test_pictures_are_the_stored_pixels(tmp_path: Path) -> None:
    spec = make_images(tmp_path)
    chosen = choose_samples(tmp_path, spec, Choice("test", 6))
    pictures = shrink_images(chosen)
    assert pictures.shape == (6, 6, 6, 3)
    # The test split begins at sample 24, and an image shows its number.
    assert pictures[:, 0, 0, 0].tolist() == list(range(24, 30))
    assert chosen.histogram == [{"label": f"class-{n}", "count": 2} for n in range(3)]
    with pytest.raises(DatasetError, match="no split 'validation'"):
        choose_samples(tmp_path, spec, Choice("validation", 6))


def test_large_images_are_reduced(tmp_path: Path) -> None:
    spec = make_images(tmp_path, count=10, side=1100)
    assert shrink_images(choose_samples(tmp_path, spec, Choice("train", 2))).shape[1:] == (
        512,
        512,
        3,
    )


def test_variations_are_those_of_training(tmp_path: Path) -> None:
    import torch

    from tui_trainer.data.augment import Augmenter

    spec = make_images(tmp_path, side=12)
    chosen = choose_samples(tmp_path, spec, Choice("train", 5))
    augment = AugmentConfig(erase=0.5, translate=3)
    tiles, shares = vary_images(chosen, spec, augment, 7, 3)
    assert tiles.shape == (5, 4, 12, 12, 3)
    assert shares == [1.0, 1.0, 1.0]
    assert (tiles[:, 0] == shrink_images(chosen)).all()
    images = torch.from_numpy(np.ascontiguousarray(chosen.inputs[chosen.numbers_B]))
    numbers = torch.from_numpy(chosen.numbers_B)
    for epoch in (1, 2, 3):
        expected = Augmenter(augment, spec.shape, 7)(images, numbers, epoch).numpy()
        assert (tiles[:, epoch, ..., 0] == expected[:, 0]).all()


def test_blends_tell_their_shares(tmp_path: Path) -> None:
    spec = make_images(tmp_path)
    chosen = choose_samples(tmp_path, spec, Choice("train", 4))
    tiles, shares = vary_images(chosen, spec, AugmentConfig(mixup=1.0), 0, 2)
    levels = np.arange(4)
    for version, share in enumerate(shares, 1):
        assert 0 < share < 1
        expected = levels * share + np.roll(levels, 1) * (1 - share)
        assert np.abs(tiles[:, version, 0, 0, 0] - expected).max() <= 0.5 + 1e-3


def test_a_table_is_not_varied(tmp_path: Path) -> None:
    facts = Facts("table", "regression", (2,), "t", "made", targets=("price",))
    inputs = np.arange(20, dtype=np.float32).reshape(10, 2)
    spec = make_dataset(tmp_path, facts, inputs, np.linspace(0, 9, 10, dtype=np.float32)[:, None])
    chosen = choose_samples(tmp_path, spec, Choice("train", 2))
    assert read_rows(chosen) == [[0.0, 1.0], [2.0, 3.0]]
    assert describe_label(spec, chosen.labels_B[1]) == {"price": 1.0}
    assert sum(interval["count"] for interval in chosen.histogram) == 8
    with pytest.raises(ConfigError, match="changes images"):
        vary_images(chosen, spec, AugmentConfig(flip=0.5), 0, 2)


def test_several_labels_are_a_list(tmp_path: Path) -> None:
    facts = Facts("table", "multilabel", (1,), "t", "made", classes=("red", "ro\x1b[31mund"))
    labels = np.array([[1, 1], [0, 0], [0, 1]] * 5, np.uint8)
    spec = make_dataset(tmp_path, facts, np.zeros((15, 1), np.float32), labels)
    chosen = choose_samples(tmp_path, spec, Choice("train", 2))
    assert [describe_label(spec, label) for label in chosen.labels_B] == [["red", "round"], []]
    only = choose_samples(tmp_path, spec, Choice("train", 9, label_class=0))
    assert only.numbers_B.tolist() == [0, 3, 6, 9]


def test_words_that_are_not_in_the_vocabulary_are_marked(tmp_path: Path) -> None:
    facts = Facts("tokens", "classification", (3,), "t", "made", ("a", "b"), vocabulary=4)
    lengths = [2, 1, 3, 2, 2, 2, 2, 2, 2, 2]
    tokens = np.array([2, 1, 3, 1, 3, 2, *([2, 3] * 7)], np.int32)
    words = {
        "version": 1,
        "unicode": "14.0.0",
        "max_length": 3,
        "words": ["<padding>", "<unknown>", "the", "cat"],
    }
    spec = make_dataset(
        tmp_path,
        facts,
        tokens,
        np.arange(10) % 2,
        lengths=lengths,
        files={VOCABULARY_FILE: msgspec.json.encode(words)},
    )
    chosen = choose_samples(tmp_path, spec, Choice("train", 3))
    assert read_words(tmp_path, spec, chosen) == [
        (2, ["the", None]),
        (1, ["cat"]),
        (3, [None, "cat", "the"]),
    ]
