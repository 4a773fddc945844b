"""In which order an epoch takes its samples."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import CPU, assert_same, make_spec, serve
from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.data.batches import Batches
from tui_trainer.data.order import ClassMembers, EpochOrder, balanced_order
from tui_trainer.data.texts import Texts, pack_texts
from tui_trainer.errors import ConfigError

_LABELS = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 5]), min_size=1, max_size=80)


def _balanced_order(labels_N: torch.Tensor, seed: int, epoch: int) -> EpochOrder:
    return balanced_order(ClassMembers.of(labels_N), seed, epoch)


@given(_LABELS, st.integers(0, 1 << 40), st.integers(0, 50))
def test_a_balanced_epoch_takes_classes_alike(labels: list[int], seed: int, epoch: int) -> None:
    labels_N = torch.tensor(labels)
    order = _balanced_order(labels_N, seed, epoch)
    assert order.repeats_N is not None
    assert len(order.places_N) == len(order.repeats_N) == len(labels)
    per_class = Counter(labels_N[order.places_N].tolist())
    assert set(per_class) == set(labels)
    assert max(per_class.values()) - min(per_class.values()) <= 1
    # Of a class no sample is taken twice more than another, and each time is counted.
    taken = Counter(order.places_N.tolist())
    for label, count in Counter(labels).items():
        each = [taken[place] for place in range(len(labels)) if labels[place] == label]
        assert max(each) - min(each) <= 1
        assert max(each) <= -(-per_class[label] // count)
    pairs = set(zip(order.places_N.tolist(), order.repeats_N.tolist(), strict=True))
    assert pairs == {(place, turn) for place, times in taken.items() for turn in range(times)}
    again = _balanced_order(labels_N, seed, epoch)
    assert torch.equal(again.places_N, order.places_N)


def test_epochs_of_a_large_class_differ() -> None:
    labels_N = torch.tensor([0] * 90 + [1] * 10)
    seen = set()
    for epoch in range(5):
        places = _balanced_order(labels_N, 1, epoch).places_N
        seen |= set(places[labels_N[places] == 0].tolist())
    assert len(seen) > 80


def _unequal() -> tuple[Any, Any]:
    """80 images of class 0, 15 of class 3 and 5 of class 7."""
    labels = np.repeat(np.array([0, 3, 7]), [80, 15, 5])
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 8, 8), dtype=np.uint8)
    return images, labels


def _serve(**settings: Any) -> Any:
    images, labels = _unequal()
    return Batches(make_spec((1, 8, 8)), images, labels, batch_size=10, device=CPU, **settings)


@pytest.mark.parametrize("settings", [{}, {"augment": AugmentConfig(translate=2, mixup=0.3)}])
def test_balanced_batches_are_the_same_wherever_they_are_made(settings: dict[str, Any]) -> None:
    with (
        _serve(balance=True, **settings) as resident,
        _serve(balance=True, placement="stream", workers=1, **settings) as streamed,
    ):
        expected = list(resident.shuffled(3, 2))
        assert_same(expected, list(streamed.shuffled(3, 2)))
        assert_same(expected[4:], list(streamed.shuffled(3, 2, 4)))
    counts = Counter(label for batch in expected for label in batch.labels_B.tolist())
    assert sorted(counts) == [0, 3, 7]
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_sample_that_is_repeated_is_augmented_anew() -> None:
    batches = list(_serve(balance=True, augment=AugmentConfig(translate=3)).shuffled(0, 0))
    rare = torch.cat([batch.x[batch.labels_B == 7] for batch in batches])
    assert len(rare) >= 33
    # Of five images some 33 different ones are made.
    assert len({image.numpy().tobytes() for image in rare}) > 20
    plain = list(_serve(balance=True).shuffled(0, 0))
    rare = torch.cat([batch.x[batch.labels_B == 7] for batch in plain])
    assert len({image.numpy().tobytes() for image in rare}) == 5


def test_the_numbers_of_a_batch_are_those_of_its_samples() -> None:
    images, _ = _unequal()
    for balance in (False, True):
        batches = _serve(balance=balance)
        for number, batch in enumerate(batches.shuffled(4, 1)):
            numbers_B = batches.numbers(4, 1, number)
            expected = torch.from_numpy(images[numbers_B.numpy()]).float()
            shown = batch.x - batch.x.mean()
            expected -= expected.mean()
            assert torch.allclose(shown / shown.std(), expected / expected.std(), atol=1e-4)


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_texts_are_balanced_and_in_batches_of_about_a_length(placement: str) -> None:
    generator = np.random.default_rng(0)
    made = [generator.integers(1, 50, n, dtype=np.int32) for n in generator.integers(1, 40, 200)]
    labels = np.repeat(np.array([2, 5]), [180, 20])
    settings: dict[str, Any] = {"batch_size": 10, "device": CPU, "balance": True}
    texts = Texts(*pack_texts(made))
    with (
        Batches(make_spec((40,), "tokens"), texts, labels, **settings) as expected,
        Batches(
            make_spec((40,), "tokens"), texts, labels, placement=placement, **settings
        ) as served,
    ):
        batches = list(expected.shuffled(1, 3))
        assert_same(batches, list(served.shuffled(1, 3)))
        assert_same(batches[7:], list(served.shuffled(1, 3, 7)))
    counts = Counter(label for batch in batches for label in batch.labels_B.tolist())
    assert counts == {2: 100, 5: 100}


def test_numbers_are_not_balanced() -> None:
    spec = msgspec.structs.replace(make_spec((3,), "table"), task="regression")
    with pytest.raises(ConfigError, match="one class each"):
        serve(spec, np.zeros((4, 3), np.float32), batch_size=2, balance=True)
