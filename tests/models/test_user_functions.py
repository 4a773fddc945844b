"""A user's own loss and metrics are tried before they are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.specs import TARGET_MEAN, task_spec
from tui_trainer.core.specs import Task
from tui_trainer.errors import ConfigError
from tui_trainer.models.user_code import LoadedCode, Role
from tui_trainer.models.user_functions import build_user_loss, build_user_metric

_K = 3


def code(thing: object, role: Role) -> LoadedCode:
    return LoadedCode("own.py:f", role, thing, Path(__file__), "0" * 64)


def loss_of(thing: object) -> Callable[[Tensor, Tensor], Tensor]:
    return build_user_loss(code(thing, "loss"), task_spec())


def refused_loss(thing: object) -> str:
    with pytest.raises(ConfigError) as caught:
        loss_of(thing)
    assert caught.value.message.startswith("The loss own.py:f ") and caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def refused_metric(thing: object) -> str:
    with pytest.raises(ConfigError) as caught:
        build_user_metric(code(thing, "metric"), task_spec())
    assert caught.value.message.startswith("The metric own.py:f ") and caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "thing",
    [
        F.cross_entropy,
        nn.CrossEntropyLoss,
        nn.MultiMarginLoss(),
        lambda y, labels: F.nll_loss(y.log_softmax(1), labels),
        lambda y, labels: F.nll_loss(y.log(), labels),
        lambda y, labels: F.binary_cross_entropy(y, F.one_hot(labels, _K).float()),
        lambda y, labels: F.cross_entropy(y.mul_(2), labels),
        lambda y, labels: y.double().sum(),
    ],
)
def test_a_loss_of_logits_or_of_probabilities_is_a_loss(thing: object) -> None:
    loss = loss_of(thing)
    logits_BK = torch.rand(5, _K).softmax(1).requires_grad_()
    value = loss(logits_BK * 1, torch.tensor([0, 1, 2, 0, 1]))
    value.backward()  # type: ignore[no-untyped-call]
    assert logits_BK.grad is not None


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (3, "is an object of type int, not a function"),
        (lambda y, labels: F.cross_entropy(y, labels, reduction="none"), "a loss must be a scalar"),
        (lambda y, labels: y.sum().reshape(1), "a tensor of float32 [1]; a loss must be a scalar"),
        (lambda y, labels: 0.5, "an object of type float; a loss must be a scalar"),
        (lambda y, labels: None, "an object of type NoneType"),
        (lambda y, labels: labels.sum(), "a tensor of int64 []"),
        (lambda y, labels: y.detach().sum(), "a number without a gradient"),
        (lambda y, labels: torch.zeros((), requires_grad=True), "does not depend on the logits"),
        (lambda y: y.sum(), "fails on logits [8, 3] and labels [8]: TypeError"),
        (lambda y, labels: F.cross_entropy(y, labels[:2]), "ValueError"),
        (nn.Module, "NotImplementedError"),
        (lambda y, labels: nn.Linear, "an object of type type"),
        (nn.AdaptiveLogSoftmaxWithLoss, "fails when it is made without arguments: TypeError"),
        (nn.Linear(3, 3), "holds parameters"),
    ],
)
def test_what_is_no_loss_is_said(thing: object, says: str) -> None:
    assert says in refused_loss(thing)


def test_a_loss_whose_gradient_raises_is_said() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, y: Tensor) -> Tensor:
            return y.sum()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            raise OSError("no way back")

    told = refused_loss(lambda y, labels: Broken.apply(y))
    assert "fails when it is differentiated: OSError: no way back" in told


@pytest.mark.parametrize(
    "answer", [1, 0.5, True, np.float32(0.5), torch.tensor(0.5), torch.tensor(1)]
)
def test_a_metric_answers_with_one_number(answer: Any) -> None:
    metric = build_user_metric(code(lambda y, labels: answer, "metric"), task_spec())
    assert metric.name == "f"
    assert float(metric(torch.zeros(2, _K), torch.zeros(2, dtype=torch.int64))) == float(answer)


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        ("text", "is an object of type str, not a function"),
        (lambda y, labels: "0.5", "an object of type str; a metric must be one number"),
        (lambda y, labels: y.mean(0), "a tensor of float32 [3]; a metric must be one number"),
        (lambda y, labels: 1j, "an object of type complex"),
        (
            lambda y, labels: 1 / 0,
            "fails on logits [8, 3]: ZeroDivisionError: division by zero, li",
        ),
    ],
)
def test_what_is_no_metric_is_said(thing: object, says: str) -> None:
    assert says in refused_metric(thing)


def test_a_metric_that_fails_later_is_said_then() -> None:
    def only_small(logits_NK: Tensor, labels_N: Tensor) -> float:
        if len(labels_N) > 100:
            raise MemoryError
        return 0.5

    metric = build_user_metric(code(only_small, "metric"), task_spec())
    with pytest.raises(ConfigError, match=r"fails on logits \[101, 3\]: MemoryError"):
        metric(torch.zeros(101, _K), torch.zeros(101, dtype=torch.int64))


def test_trying_them_leaves_the_generators_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    loss_of(lambda y, labels: F.cross_entropy(F.dropout(y), labels))
    build_user_metric(code(lambda y, labels: torch.rand(()), "metric"), task_spec())
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("task", "loss", "shape"),
    [
        ("multilabel", F.binary_cross_entropy_with_logits, [8, 3]),
        ("multilabel", F.binary_cross_entropy, [8, 3]),
        ("regression", F.l1_loss, [8, 2]),
    ],
)
def test_a_loss_is_tried_on_labels_of_the_task(
    task: Task, loss: Callable[[Tensor, Tensor], Tensor], shape: list[int]
) -> None:
    def failing(y: Tensor, labels: Tensor) -> Tensor:
        raise ArithmeticError

    spec = task_spec(task)
    build_user_loss(code(loss, "loss"), spec)
    with pytest.raises(ConfigError) as caught:
        build_user_loss(code(failing, "loss"), spec)
    assert f"fails on outputs {shape} and labels {shape}: Arith" in caught.value.message


def test_a_metric_of_a_regression_is_given_the_targets_own_units() -> None:
    seen = {}

    def look(y: Tensor, labels: Tensor) -> float:
        seen.update(predicted=y.mean(0), labels=labels.mean(0))
        return 0.0

    build_user_metric(code(look, "metric"), task_spec("regression"))
    for mean_T in seen.values():
        torch.testing.assert_close(mean_T, torch.tensor(TARGET_MEAN), rtol=0.2, atol=0)
