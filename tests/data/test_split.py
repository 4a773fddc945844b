"""Splits are stratified, disjoint, and a function of the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.data.split import split_for_validation, split_stratified

_LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(
    lambda values: np.array(values, np.int64)
)


@given(_LABELS, st.floats(0, 0.99), st.integers(0, 2**64 - 1))
def test_the_parts_share_nothing_and_miss_nothing(
    labels: np.ndarray, share: float, seed: int
) -> None:
    first, second = split_stratified(labels, share, seed)
    assert sorted([*first, *second]) == list(range(len(labels)))


@given(_LABELS, st.floats(0, 0.99), st.integers(0, 1000))
def test_every_class_gives_its_share_and_keeps_one(
    labels: np.ndarray, share: float, seed: int
) -> None:
    first, second = split_stratified(labels, share, seed)
    for label in np.unique(labels):
        count, held = (labels == label).sum(), (labels[second] == label).sum()
        assert abs(held - share * count) <= 1
        assert (labels[first] == label).any()


def test_the_split_is_a_function_of_the_seed() -> None:
    labels = np.arange(500) % 10
    again = [split_for_validation(labels, 0.1, seed)[1].tolist() for seed in (7, 7, 8)]
    assert again[0] == again[1] != again[2]


@pytest.mark.parametrize("labels", [np.zeros(0, np.int64), np.zeros(5, np.int64)])
def test_no_share_holds_nothing_out(labels: np.ndarray) -> None:
    first, second = split_for_validation(labels, 0.0, 1)
    assert len(first) == len(labels)
    assert len(second) == 0
