"""The loss: torch's numbers, the same whole and in parts, weighted and masked as asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from tests.specs import task_spec
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.errors import ConfigError
from tui_trainer.evaluate.class_weights import choose_class_weights
from tui_trainer.evaluate.loss import CrossEntropy, Loss, build_loss

_CPU = torch.device("cpu")
_K = 3
_EVERY_LABEL = np.arange(_K)

_configs = st.builds(
    LossConfig,
    label_smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    class_weights=st.sampled_from(["", "1,2.5,0.1", "0,1,2"]),
    ignore_index=st.sampled_from([-100, -1, 1]),
)


def _build(config: LossConfig, function: Any = None) -> Loss:
    return build_loss(config, _EVERY_LABEL, task_spec(), _CPU, function)


def _batch(size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits_BK = torch.randn(size, _K, generator=generator, dtype=torch.float64)
    return logits_BK.requires_grad_(), torch.randint(_K, (size,), generator=generator)


def _with_gradient(loss: Tensor, logits_BK: Tensor) -> tuple[float, Tensor]:
    (gradient_BK,) = torch.autograd.grad(loss, logits_BK)
    return loss.item(), gradient_BK


def _mean_squares(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    return (logits_BK.softmax(1) - F.one_hot(labels_B, _K)).square().mean()


@given(config=_configs, size=st.integers(1, 12), seed=st.integers(0, 99))
def test_cross_entropy_is_that_of_torch(config: LossConfig, size: int, seed: int) -> None:
    loss = _double(_build(config))
    logits_BK, labels_B = _batch(size, seed)
    weights_K = None
    if config.class_weights:
        weights_K = torch.tensor([float(w) for w in config.class_weights.split(",")]).double()
    expected = F.cross_entropy(
        logits_BK,
        labels_B,
        weight=weights_K,
        ignore_index=config.ignore_index,
        label_smoothing=config.label_smoothing,
    )
    # Torch divides by a weight of nothing: see the test of a batch that counts nothing.
    assume(math.isfinite(expected.item()))
    assert loss(logits_BK, labels_B).item() == pytest.approx(expected.item(), abs=1e-6)


def _double(loss: Loss) -> Loss:
    assert isinstance(loss, CrossEntropy)
    if loss._weights_K is not None:
        loss._weights_K = loss._weights_K.double()
    return loss


@given(
    config=_configs,
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_parts_add_up_to_the_whole(config: LossConfig, sizes: list[int], seed: int) -> None:
    loss = _double(_build(config))
    _assert_adds_up(loss, sizes, seed)


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_parts_of_a_users_loss_add_up_to_the_whole(sizes: list[int], seed: int) -> None:
    _assert_adds_up(_build(LossConfig(name="own.py:f"), _mean_squares), sizes, seed)


def _assert_adds_up(loss: Loss, sizes: list[int], seed: int) -> None:
    logits_BK, labels_B = _batch(sum(sizes), seed)
    whole, whole_gradient = _with_gradient(loss(logits_BK, labels_B), logits_BK)
    weight = loss.weigh(labels_B)
    parts = zip(torch.split(logits_BK, sizes), torch.split(labels_B, sizes), strict=True)
    total = torch.stack([loss.of_part(*part, weight) for part in parts]).sum()
    added, added_gradient = _with_gradient(total, logits_BK)
    assert added == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(added_gradient, whole_gradient, rtol=1e-5, atol=1e-9)


def test_the_weight_of_labels_is_the_sum_of_their_classes_weights() -> None:
    labels_B = torch.tensor([0, 0, 1, 2, -1])
    assert float(_build(LossConfig(ignore_index=-1)).weigh(labels_B)) == 4
    weighted = _build(LossConfig(ignore_index=-1, class_weights="1,10,100"))
    assert float(weighted.weigh(labels_B)) == 112
    assert float(_build(LossConfig(ignore_index=0)).weigh(labels_B[:4])) == 2


@pytest.mark.parametrize("settings", [{"ignore_index": 1}, {"class_weights": "1,0,2"}])
def test_a_batch_that_counts_nothing_teaches_nothing(settings: dict[str, Any]) -> None:
    loss = _build(LossConfig(**settings))
    logits_BK = torch.randn(4, _K, requires_grad=True)
    labels_B = torch.ones(4, dtype=torch.int64)
    for value in (
        loss(logits_BK, labels_B),
        loss.of_part(logits_BK, labels_B, loss.weigh(labels_B)),
    ):
        number, gradient_BK = _with_gradient(value, logits_BK)
        assert number == 0.0
        assert not gradient_BK.any()


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    logits_BK, labels_B = _batch(6)
    plain, smooth = (_build(LossConfig(label_smoothing=share)) for share in (0.0, 0.3))
    target_BK = 0.7 * F.one_hot(labels_B, _K) + 0.3 / _K
    expected = -(target_BK * logits_BK.log_softmax(1)).sum(1).mean()
    assert smooth(logits_BK, labels_B).item() == pytest.approx(expected.item())
    sure_BK = 20.0 * F.one_hot(labels_B, _K).double()
    assert smooth(sure_BK, labels_B) > 1.0 > plain(sure_BK, labels_B)


@given(counts=st.lists(st.integers(1, 50), min_size=_K, max_size=_K))
def test_balanced_classes_weigh_the_same_in_all(counts: list[int]) -> None:
    labels_N = np.repeat(_EVERY_LABEL, counts)
    weights_K = choose_class_weights(LossConfig(class_weights="balanced"), labels_N, _K)
    assert weights_K is not None
    shares_K = weights_K * torch.tensor(counts)
    torch.testing.assert_close(shares_K, torch.full((_K,), sum(counts) / _K))
    assert weights_K[labels_N].mean().item() == pytest.approx(1.0)


def test_an_ignored_class_has_no_part_in_the_balance() -> None:
    labels_N = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2])
    config = LossConfig(class_weights="balanced", ignore_index=1)
    weights_K = choose_class_weights(config, labels_N, _K)
    assert weights_K is not None
    assert weights_K.tolist() == pytest.approx([4 / 6, 0.0, 4 / 2])
    outside = choose_class_weights(
        LossConfig(class_weights="balanced", ignore_index=7), np.array([0, 1, 2, 7, 7]), _K
    )
    assert outside is not None
    assert outside.tolist() == [1.0, 1.0, 1.0]


def test_without_weights_all_classes_weigh_the_same() -> None:
    assert choose_class_weights(LossConfig(), _EVERY_LABEL, _K) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2", "there are 3 classes"),
        ("1,2,3,4", "there are 3 classes"),
        ("1,2,-1", "there are 3 classes"),
        ("1,2,1e999", "there are 3 classes"),
        ("1,2,1-1", "there are 3 classes"),
        ("0,0,0", "Every class weighs nothing"),
    ],
)
def test_weights_that_do_not_fit_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        _build(LossConfig(class_weights=text))
    assert caught.value.hint


def test_a_class_without_samples_cannot_be_balanced() -> None:
    config = LossConfig(class_weights="balanced")
    with pytest.raises(ConfigError, match="Class 1 has no sample"):
        build_loss(config, np.array([0, 2, 2]), task_spec(), _CPU)


def test_a_label_that_every_sample_has_cannot_be_ignored() -> None:
    with pytest.raises(ConfigError, match="label of every sample"):
        build_loss(LossConfig(ignore_index=2), np.array([2, 2]), task_spec(), _CPU)


@pytest.mark.parametrize(
    "settings", [{"label_smoothing": 0.1}, {"class_weights": "balanced"}], ids=str
)
def test_settings_of_cross_entropy_are_not_left_unused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"is for cross-entropy or .*, but loss.name is own.py:f"):
        _build(LossConfig(name="own.py:f", **settings), _mean_squares)


def test_a_users_loss_may_change_its_input_and_compute_in_any_precision() -> None:
    def doubling(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        return F.cross_entropy(logits_BK.mul_(2).double(), labels_B)

    logits_BK, labels_B = torch.randn(4, _K), torch.tensor([0, 1, 2, 0])
    loss, before = _build(LossConfig(name="own.py:f"), doubling), logits_BK.clone()
    first, second = loss(logits_BK, labels_B), loss(logits_BK, labels_B)
    assert first.dtype == torch.float32
    assert first == second
    assert torch.equal(logits_BK, before)
