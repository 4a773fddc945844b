"""Losses of several labels and of targets: torch's numbers, whole and in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.specs import TARGET_MEAN, TARGET_STD, task_spec
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.specs import Task
from tui_trainer.core.tasks import LOSSES
from tui_trainer.errors import ConfigError
from tui_trainer.evaluate.loss import Loss, build_loss

_CPU = torch.device("cpu")
_LABELS_NK = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 1, 0]], np.uint8)
_TARGETS_NT = np.array([[160.0, 60.0], [180.0, 80.0]], np.float32)
_CASES: list[tuple[Task, dict[str, Any]]] = [
    ("multilabel", {}),
    ("multilabel", {"label_smoothing": 0.2}),
    ("multilabel", {"class_weights": "balanced"}),
    ("multilabel", {"class_weights": "1,2.5,0"}),
    *(("regression", {"name": name}) for name in LOSSES["regression"]),
]


def _build(task: Task, **settings: Any) -> Loss:
    labels = _LABELS_NK if task == "multilabel" else _TARGETS_NT
    return build_loss(LossConfig(**settings), labels, task_spec(task), _CPU)


def _batch(task: Task, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(size, task_spec(task).num_outputs, generator=generator)
    labels = torch.rand(outputs.shape, generator=generator)
    if task == "multilabel":
        return outputs.requires_grad_(), (labels > 0.5).float()
    return outputs.requires_grad_(), 150 + 40 * labels


@pytest.mark.parametrize(("task", "settings"), _CASES)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_parts_add_up_to_the_whole(
    task: Task, settings: dict[str, Any], sizes: list[int], seed: int
) -> None:
    loss = _build(task, **settings)
    outputs, labels = _batch(task, sum(sizes), seed)
    whole = loss(outputs, labels)
    weight = loss.weigh(labels)
    parts = zip(torch.split(outputs, sizes), torch.split(labels, sizes), strict=True)
    total = torch.stack([loss.of_part(*part, weight) for part in parts]).sum()
    assert total.item() == pytest.approx(whole.item(), rel=1e-5)
    gradients = [torch.autograd.grad(value, outputs)[0] for value in (whole, total)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)


def test_smoothing_moves_labels_towards_a_half() -> None:
    logits_BK, labels_BK = _batch("multilabel", 7)
    expected = F.binary_cross_entropy_with_logits(logits_BK, labels_BK * 0.8 + 0.1)
    loss = _build("multilabel", label_smoothing=0.2)(logits_BK, labels_BK)
    assert loss.item() == pytest.approx(expected.item())


def test_balanced_labels_weigh_as_much_held_as_not_held() -> None:
    loss = _build("multilabel", class_weights="balanced")
    logits_NK = torch.zeros(_LABELS_NK.shape, requires_grad=True)
    (gradient_NK,) = torch.autograd.grad(
        loss(logits_NK, torch.tensor(_LABELS_NK).float()), logits_NK
    )
    # At even odds the pull of those that have a label and of the others cancel out.
    torch.testing.assert_close(gradient_NK.sum(0), torch.zeros(3))
    assert gradient_NK.abs().sum() > 0


@pytest.mark.parametrize(("column", "said"), [(0, "no sample"), (1, "every sample")])
def test_a_label_that_all_or_none_have_cannot_be_balanced(column: int, said: str) -> None:
    labels_NK = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    labels_NK[:, 1] = column
    spec = task_spec("multilabel", classes=("first", "second"))
    with pytest.raises(ConfigError, match=f"Class 1 has {said}"):
        build_loss(LossConfig(class_weights="balanced"), labels_NK, spec, _CPU)


@pytest.mark.parametrize(
    ("name", "function"), [("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss)]
)
def test_targets_are_standardised_before_they_are_compared(name: str, function: Any) -> None:
    outputs, labels = _batch("regression", 5)
    wanted = (labels - torch.tensor(TARGET_MEAN)) / torch.tensor(TARGET_STD)
    loss = _build("regression", name=name)(outputs, labels)
    assert loss.item() == pytest.approx(function(outputs, wanted).item(), rel=1e-5)
    assert _build("regression", name=name)(wanted, labels).item() == pytest.approx(0, abs=1e-9)


def test_a_users_loss_of_a_regression_is_given_the_targets_own_units() -> None:
    spec, outputs = task_spec("regression"), torch.zeros(2, 2)
    config = LossConfig(name="own.py:f")
    loss = build_loss(config, _TARGETS_NT, spec, _CPU, lambda y, labels: (y - labels).abs().sum())
    # What says 0 of everything standardised says its mean.
    assert loss(outputs, torch.tensor(_TARGETS_NT)).item() == 40.0


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        ("classification", {"name": "mse"}, "the labels of animals are one class for each"),
        ("multilabel", {"name": "cross-entropy"}, "any number of labels"),
        ("regression", {"name": "cross-entropy"}, "numbers to predict"),
        ("regression", {"name": "binary-cross-entropy"}, "numbers to predict"),
        ("regression", {"label_smoothing": 0.1}, "label_smoothing is for .* loss.name is mse"),
        ("regression", {"class_weights": "balanced"}, "class_weights is for"),
        ("regression", {"ignore_index": 3}, "ignore_index is for cross-entropy"),
        ("multilabel", {"ignore_index": 1}, "loss.name is binary-cross-entropy"),
        ("regression", {"name": "own.py:f", "ignore_index": 1}, "loss.name is own.py:f"),
        ("classification", {"name": "mean-square"}, "There is no loss 'mean-square'"),
    ],
)
def test_a_loss_for_other_labels_is_refused(
    task: Task, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        _build(task, **settings)
    assert caught.value.hint and caught.value.key.startswith("loss.")
