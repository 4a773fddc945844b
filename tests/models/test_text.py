"""Networks for texts see the words and nothing of the padding."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tui_trainer.models.text import make_text_bag, make_text_cnn, make_text_gru

_SPEC: Any = SimpleNamespace(vocabulary=30, num_outputs=3)
_MODELS: dict[str, nn.Module] = {}


@pytest.fixture(scope="module", autouse=True)
def _models() -> None:
    torch.manual_seed(0)
    for make in (make_text_bag, make_text_cnn, make_text_gru):
        _MODELS[make.__name__] = make(_SPEC).eval()


def _logits(name: str, text: list[int], length: int) -> Tensor:
    with torch.inference_mode():
        return _MODELS[name](torch.tensor([text + [0] * (length - len(text))]))


@pytest.mark.parametrize("name", ["make_text_bag", "make_text_cnn", "make_text_gru"])
@given(
    text=st.lists(st.integers(1, 29), min_size=1, max_size=9),
    short=st.integers(9, 12),
    more=st.integers(1, 20),
)
@settings(max_examples=30, deadline=None)
def test_more_padding_changes_nothing(name: str, text: list[int], short: int, more: int) -> None:
    assert torch.allclose(_logits(name, text, short), _logits(name, text, short + more), atol=1e-5)


@pytest.mark.parametrize("name", ["make_text_bag", "make_text_cnn", "make_text_gru"])
@given(text=st.lists(st.integers(1, 29), min_size=1, max_size=9), data=st.data())
@settings(max_examples=30, deadline=None)
def test_another_word_changes_something(name: str, text: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = list(text)
    other[place] = data.draw(st.integers(1, 29).filter(lambda word: word not in text))
    assert not torch.equal(_logits(name, text, 12), _logits(name, other, 12))


@pytest.mark.parametrize("name", ["make_text_bag", "make_text_cnn", "make_text_gru"])
def test_a_text_without_words_has_finite_logits(name: str) -> None:
    assert _logits(name, [], 8).isfinite().all()


@pytest.mark.parametrize("name", ["make_text_cnn", "make_text_gru"])
def test_the_order_of_words_counts(name: str) -> None:
    assert not torch.allclose(_logits(name, [1, 2, 3, 4, 5], 8), _logits(name, [5, 4, 3, 2, 1], 8))


def test_the_bag_does_not_know_order() -> None:
    one, other = (_logits("make_text_bag", text, 8) for text in ([1, 2, 3], [3, 1, 2]))
    assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("name", ["make_text_bag", "make_text_cnn", "make_text_gru"])
def test_padding_is_not_learnt(name: str) -> None:
    model = _MODELS[name]
    model(torch.tensor([[4, 5, 0, 0], [7, 0, 0, 0]])).sum().backward()
    (weight,) = [m.weight for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    assert weight.grad is not None
    assert weight.grad[4].abs().sum() > 0
    assert weight.grad[0].abs().sum() == 0
