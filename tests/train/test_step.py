"""One optimizer step: exact, repeatable, and never with a number that is not finite."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tasks import make_task, prepare_stripes
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.train.optimizers import build_optimizer
from tui_trainer.train.setup import Task
from tui_trainer.train.step import Stepper

_OPTIMIZERS = ["sgd", "adam", "adamw"]


def _stepper(task: Task, **changes: float) -> Stepper:
    options = {"seed": 0, "label_smoothing": 0.0} | changes
    return Stepper(task.model, task.optimizer, task.device, **options)  # type: ignore[arg-type]


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def _batch(task: Task) -> tuple[Tensor, Tensor]:
    return next(task.train.shuffled(0, 0))


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
def test_a_step_lowers_the_loss_of_its_batch(tmp_path: Path, optimizer: str) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp", optimizer__name=optimizer)
    stepper, (x, y) = _stepper(task), _batch(task)
    losses = [stepper(x, y, step=n, lr=0.01).loss.item() for n in range(1, 20)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_step_that_is_not_finite_changes_no_weight(
    tmp_path: Path, optimizer: str, poison: float
) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp", optimizer__name=optimizer)
    stepper, (x, y) = _stepper(task), _batch(task)
    stepper(x, y, step=1, lr=0.01)
    before = _weights(task.model)
    x_poisoned = x.clone()
    x_poisoned[0, 0, 0, 0] = poison
    figures = stepper(x_poisoned, y, step=2, lr=0.01)
    assert not torch.isfinite(figures.loss + figures.grad_norm)
    assert torch.equal(_weights(task.model), before)
    stepper(x, y, step=3, lr=0.01)
    after = _weights(task.model)
    assert torch.isfinite(after).all()
    assert not torch.equal(after, before)


def test_dropout_follows_seed_and_step_alone(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    figures = []
    for noise, (seed, step) in enumerate([(0, 5), (0, 5), (0, 6), (1, 5)]):
        task = make_task(tmp_path, model__name="mnist-example")
        torch.manual_seed(noise)
        x, y = _batch(task)
        figures.append(_stepper(task, seed=seed)(x, y, step=step, lr=0.01).loss.item())
    assert figures[0] == figures[1]
    assert len(set(figures)) == 3


def test_figures_are_those_of_the_batch(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp")
    x, y = _batch(task)
    logits = task.model(x)
    expected = nn.functional.cross_entropy(logits, y)
    gradients = torch.autograd.grad(expected, list(task.model.parameters()))
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    figures = _stepper(task)(x, y, step=1, lr=0.01)
    assert figures.loss.item() == pytest.approx(expected.item())
    assert figures.grad_norm.item() == pytest.approx(norm.item(), rel=1e-5)
    assert figures.correct.item() == (logits.argmax(1) == y).sum().item()


def test_label_smoothing_raises_the_loss_of_a_sure_model(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp")
    x, y = _batch(task)
    plain = _stepper(task)
    for n in range(1, 60):
        plain(x, y, step=n, lr=0.003)
    loss = plain(x, y, step=60, lr=0.0).loss.item()
    assert _stepper(task, label_smoothing=0.1)(x, y, step=61, lr=0.0).loss.item() > loss


def test_biases_and_norms_are_not_decayed(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, optimizer__weight_decay=0.5)
    for group in task.optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.5 if parameter.ndim > 1 else 0.0)
    count = sum(len(group["params"]) for group in task.optimizer.param_groups)
    assert count == len(list(task.model.parameters()))


def test_momentum_is_that_of_the_optimizer() -> None:
    model, cpu = nn.Linear(2, 2), torch.device("cpu")
    sgd = build_optimizer(OptimizerConfig(name="sgd", momentum=0.7, nesterov=True), model, cpu)
    assert {(g["momentum"], g["nesterov"]) for g in sgd.param_groups} == {(0.7, True)}
    plain = build_optimizer(OptimizerConfig(name="sgd", momentum=0.0, nesterov=True), model, cpu)
    assert {(g["momentum"], g["nesterov"]) for g in plain.param_groups} == {(0.0, False)}
    adam = build_optimizer(OptimizerConfig(name="adam", momentum=0.7), model, cpu)
    assert {g["betas"] for g in adam.param_groups} == {(0.7, 0.999)}
