"""Stored values to what a network is fed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.data.samples import make_inputs, make_spec
from tui_trainer.core.specs import Kind
from tui_trainer.data.normalize import Normalize


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (3, 5, 4)), ("image", (1, 5, 4)), ("table", (6,))]
)
def test_each_channel_or_feature_has_its_own_moments(kind: Kind, shape: tuple[int, ...]) -> None:
    spec = make_spec(shape, kind)
    inputs = make_inputs(spec, 7)
    x = Normalize(spec.mean, spec.std)(torch.from_numpy(inputs))
    moments = (-1, *[1] * (len(shape) - 1))
    expected = (inputs - np.reshape(spec.mean, moments)) / np.reshape(spec.std, moments)
    assert x.dtype == torch.float32
    assert np.allclose(x.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (3, 5, 4)), ("table", (6,)), ("tokens", (9,))]
)
def test_in_place_gives_the_same_bits_and_spares_its_source(
    kind: Kind, shape: tuple[int, ...]
) -> None:
    spec = make_spec(shape, kind)
    stored = torch.from_numpy(make_inputs(spec, 7))
    before = stored.clone()
    normalize = Normalize(spec.mean, spec.std)
    assert torch.equal(normalize.fresh(stored), normalize(stored))
    assert torch.equal(stored, before)


def test_tokens_become_whole_numbers_as_they_are() -> None:
    tokens = torch.tensor([[3, 0], [7, 49]], dtype=torch.int32)
    x = Normalize((), ())(tokens)
    assert x.dtype == torch.int64
    assert torch.equal(x, tokens.long())
