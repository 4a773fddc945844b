"""Samples picked from arrays in memory and in files."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.data.samples import make_inputs, make_spec, map_inputs
from tui_trainer.data.stored import StoredSamples

_INPUTS = make_inputs(make_spec((2, 3, 4)), 60)
_NUMBERS = np.array([5, 0, 5, 19])


@pytest.mark.parametrize("cut", [slice(None), slice(20, 50), slice(0, 60, 2)])
@pytest.mark.parametrize("is_mapped", [True, False])
def test_samples_come_in_the_order_asked_for(tmp_path: Path, cut: slice, is_mapped: bool) -> None:
    inputs = map_inputs(tmp_path, _INPUTS) if is_mapped else _INPUTS
    # Prepared datasets hide that an array is mapped.
    chosen = StoredSamples(np.asarray(inputs[cut]))[_NUMBERS]
    assert np.array_equal(chosen.numpy(), _INPUTS[cut][_NUMBERS])
    chosen.zero_()


def test_a_mapped_file_travels_by_its_name(tmp_path: Path) -> None:
    stored = StoredSamples(np.asarray(map_inputs(tmp_path, _INPUTS)[10:]))
    stored[_NUMBERS]
    assert len(pickle.dumps(stored)) < 1000
    # A copy is made of what would be pickled.
    assert np.array_equal(copy.copy(stored)[_NUMBERS].numpy(), _INPUTS[10:][_NUMBERS])


def test_an_array_in_memory_travels_whole() -> None:
    copied = copy.copy(StoredSamples(_INPUTS))
    assert np.array_equal(copied[_NUMBERS].numpy(), _INPUTS[_NUMBERS])
