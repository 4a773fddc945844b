"""One optimizer step: exact, repeatable, and never with a number that is not finite."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.tasks import make_stepper, make_task, prepare_stripes, take_step
from tui_trainer.data.batches import Batch
from tui_trainer.train.optimizers import build_optimizer
from tui_trainer.train.setup import Task

_OPTIMIZERS = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def _batch(task: Task) -> Batch:
    return next(task.train.shuffled(0, 0))


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
def test_a_step_lowers_the_loss_of_its_batch(tmp_path: Path, optimizer: str) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp", optimizer__name=optimizer)
    stepper, batch = make_stepper(task), _batch(task)
    lr = 1.0 if optimizer == "adadelta" else 0.01
    losses = [take_step(stepper, batch, step=n, lr=lr).loss.item() for n in range(1, 20)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_step_that_is_not_finite_changes_no_weight(
    tmp_path: Path, optimizer: str, poison: float
) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp", optimizer__name=optimizer)
    stepper, batch = make_stepper(task), _batch(task)
    take_step(stepper, batch, step=1, lr=0.01)
    before = _weights(task.model)
    x_poisoned = batch.x.clone()
    x_poisoned[0, 0, 0, 0] = poison
    figures = take_step(stepper, batch._replace(x=x_poisoned), step=2, lr=0.01)
    assert not torch.isfinite(figures.loss + figures.grad_norm)
    assert torch.equal(_weights(task.model), before)
    take_step(stepper, batch, step=3, lr=0.01)
    after = _weights(task.model)
    assert torch.isfinite(after).all()
    assert not torch.equal(after, before)


@pytest.mark.parametrize(
    ("optimizer", "precision"), [*((name, "fp32") for name in _OPTIMIZERS), ("adamw", "fp16")]
)
def test_a_stepper_that_halts_changes_no_weight_after_such_a_step(
    tmp_path: Path, optimizer: str, precision: str
) -> None:
    prepare_stripes(tmp_path)
    settings = {"optimizer__name": optimizer, "hardware__precision": precision}
    task = make_task(tmp_path, model__name="mlp", **settings)
    stepper, batch = make_stepper(task, halts=True), _batch(task)
    start = _weights(task.model)
    take_step(stepper, batch, step=1, lr=0.01)
    before = _weights(task.model)
    assert not torch.equal(start, before)
    take_step(stepper, batch._replace(x=batch.x * math.inf), step=2, lr=0.01)
    figures = take_step(stepper, batch, step=3, lr=0.01)
    assert torch.isfinite(figures.loss + figures.grad_norm)
    assert torch.equal(_weights(task.model), before)


def test_dropout_follows_seed_and_step_alone(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    figures = []
    for noise, (seed, step) in enumerate([(0, 5), (0, 5), (0, 6), (1, 5)]):
        task = make_task(tmp_path, model__name="mnist-example")
        torch.manual_seed(noise)
        stepper = make_stepper(task, seed=seed)
        figures.append(take_step(stepper, _batch(task), step=step, lr=0.01).loss.item())
    assert figures[0] == figures[1]
    assert len(set(figures)) == 3


def test_figures_are_those_of_the_batch(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp")
    batch = _batch(task)
    logits, labels = task.model(batch.x), batch.labels_B
    expected = nn.functional.cross_entropy(logits, labels)
    gradients = torch.autograd.grad(expected, list(task.model.parameters()))
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    figures = take_step(make_stepper(task), batch, step=1, lr=0.01)
    assert figures.loss.item() == pytest.approx(expected.item())
    assert figures.grad_norm.item() == pytest.approx(norm.item(), rel=1e-5)
    assert figures.correct.item() == (logits.argmax(1) == labels).sum().item()
    assert figures.counted is None


@pytest.mark.parametrize("share", [0.0, 0.4, 0.5, 1.0])
def test_accuracy_on_mixed_samples_is_that_on_the_larger_share(
    tmp_path: Path, share: float
) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp")
    plain = _batch(task)
    other_B = (plain.labels_B + 1) % 10
    predicted_B = task.model(plain.x).argmax(1)
    figures = take_step(
        make_stepper(task), Batch(plain.x, plain.labels_B, other_B, share), step=1, lr=0.01
    )
    counted_B = plain.labels_B if share >= 0.5 else other_B
    assert figures.correct.item() == (predicted_B == counted_B).sum().item()


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
def test_a_model_in_float64_is_trained(tmp_path: Path, optimizer: str) -> None:
    prepare_stripes(tmp_path)
    task = make_task(tmp_path, model__name="mlp", optimizer__name=optimizer)
    task.model.double()
    task.model.register_forward_pre_hook(lambda model, inputs: (inputs[0].double(),))
    optimizer = build_optimizer(task.config.optimizer, task.model, task.device)
    task = dataclasses.replace(task, optimizer=optimizer)
    stepper, batch, before = make_stepper(task), _batch(task), _weights(task.model)
    figures = take_step(stepper, batch, step=1, lr=0.01)
    assert not torch.equal(_weights(task.model), before)
    assert figures.loss.item() == pytest.approx(math.log(10), rel=0.5)
    assert 0 < figures.grad_norm < math.inf
