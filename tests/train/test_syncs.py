"""The loop never waits for the device: nothing in a step needs a number on the host.

Shown twice, without a GPU: real steps, in which every operation that brings a number to the host is
counted; and steps on fake tensors, which have no numbers, so that whatever asks for one raises.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeCopyMode,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tasks import configure, make_task, own_code, prepare_stripes, take_step
from tests.train.runs import Runs
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.evaluate.loss import UserLoss
from tui_trainer.train import figures
from tui_trainer.train.averaging import build_average
from tui_trainer.train.figures import FigureGatherer
from tui_trainer.train.optimizers import build_optimizer
from tui_trainer.train.setup import Task, set_up
from tui_trainer.train.step import Stepper

_OPTIMIZERS = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]

# Operations whose result, or the shape of it, the host has to wait for.
_WAITING = {
    "_local_scalar_dense",
    "is_nonzero",
    "equal",
    "nonzero",
    "masked_select",
    "_unique",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "unique_dim_consecutive",
    "bincount",
    "repeat_interleave",
    "allclose",
}
_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class SyncCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that make the host wait for a device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; its name is kept if it waits."""
        name = func.overloadpacket.__name__
        if name in _WAITING or (name in _INDEXING and _has_mask(args[1])):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def _has_mask(indices: Any) -> bool:
    masks = (torch.bool, torch.uint8)
    return any(isinstance(index, Tensor) and index.dtype in masks for index in indices)


_SETTINGS: dict[str, dict[str, Any]] = {
    **{
        name: {"optimizer__name": name, "optimizer__clip_norm": 0.1, "average__name": "ema"}
        for name in _OPTIMIZERS
    },
    "nesterov, swa": {
        "optimizer__name": "sgd",
        "optimizer__nesterov": True,
        "average__name": "swa",
    },
    "labels": {
        "loss__ignore_index": 3,
        "loss__class_weights": "balanced",
        "loss__label_smoothing": 0.1,
        "optimizer__accumulate": 2,
    },
    "mixed": {"augment__mixup": 1.0, "augment__cutmix": 1.0, "loss__class_weights": "balanced"},
    "augmented": {
        "augment__crop": 2,
        "augment__translate": 2,
        "augment__flip": 0.5,
        "augment__erase": 0.3,
    },
    "bf16": {"hardware__precision": "bf16"},
    "fp16": {"hardware__precision": "fp16", "optimizer__clip_norm": 0.1, "model__name": "mlp"},
    "frozen": {"model__freeze": "0,2", "optimizer__lr_scales": "13=2"},
    "computed again": {"hardware__activation_checkpointing": True},
    "one batch": {"training__overfit_batch": True},
}
_every_setting = pytest.mark.parametrize("settings", _SETTINGS.values(), ids=_SETTINGS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with stripes."""
    prepare_stripes(tmp_path)
    return tmp_path


def _task(data: Path, **settings: Any) -> Task:
    return make_task(data, **{"model__name": "convnet", "data__batch_size": 16} | settings)


def _drive(task: Task, stepper: Stepper, num_steps: int) -> FigureGatherer:
    """What a loop does of its own in its steps."""
    gatherer, step = FigureGatherer(task.device, stepper.figure_names), 0
    while step < num_steps:
        for batch in task.train.shuffled(0, step // task.steps_per_epoch):
            step += 1
            stepper(batch, step=step, lr=0.01, figures=gatherer.next_row())
            gatherer.add(step, 0.01, len(batch.labels_B))
            if task.average is not None:
                task.average.after_step(step)
    return gatherer


def _stepper(task: Task, loss: Any = None) -> Stepper:
    return Stepper(
        task.model,
        task.optimizer,
        loss or task.loss,
        task.precision,
        task.device,
        seed=0,
        clip_norm=task.config.optimizer.clip_norm,
        micro_batch=task.micro_batch,
    )


@_every_setting
def test_no_step_brings_a_number_to_the_host(data: Path, settings: dict[str, Any]) -> None:
    task = _task(data, **settings)
    with SyncCounter() as counter:
        gatherer = _drive(task, _stepper(task), 50)
    assert counter.names == []
    (block,) = gatherer.drain()
    assert len(block.loss) >= 50
    assert block.loss[-10:].mean() < block.loss[:10].mean()


def _faked(task: Task) -> tuple[FakeTensorMode, Stepper, Callable[[int], None]]:
    """A mode, and a stepper whose tensors have no numbers; what follows a step."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with FakeCopyMode(mode):
        model = copy.deepcopy(task.model)
    with mode:
        optimizer = build_optimizer(task.config.optimizer, model, task.device)
        average = build_average(task.config.average, model, epochs=2)
        stepper = Stepper(
            model,
            optimizer,
            task.loss,
            task.precision,
            task.device,
            seed=0,
            clip_norm=task.config.optimizer.clip_norm,
            micro_batch=task.micro_batch,
        )
    return mode, stepper, average.after_step if average else lambda step: None


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@_every_setting
def test_steps_can_be_taken_without_any_number(data: Path, settings: dict[str, Any]) -> None:
    # What computes again is bound to the model it was made for, which a copy is not.
    task = _task(data, **settings | {"hardware__activation_checkpointing": False})
    mode, stepper, follow_up = _faked(task)
    with mode:
        gatherer = FigureGatherer(task.device, stepper.figure_names)
        for step, batch in zip(range(1, 4), task.train.shuffled(0, 0), strict=False):
            row = gatherer.next_row()
            stepper(batch, step=step, lr=0.01, figures=row)
            gatherer.add(step, 0.01, len(batch.labels_B))
            follow_up(step)
        with pytest.raises(DataDependentOutputException):
            row.loss.item()


def _items(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    loss = F.cross_entropy(logits_BK, labels_B)
    return loss * (2.0 if loss.item() > 1.0 else 1.0)


def _branches(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    return F.cross_entropy(logits_BK, labels_B) if labels_B.any() else logits_BK.sum()


def _masks(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    return F.cross_entropy(logits_BK[labels_B != 3], labels_B[labels_B != 3])


def _selects(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
    return F.cross_entropy(logits_BK, labels_B) + logits_BK.masked_select(logits_BK > 9).sum()


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize(
    ("function", "waits"),
    [
        (_items, ["_local_scalar_dense"]),
        (_branches, ["_local_scalar_dense"]),
        (_masks, ["index", "index"]),
        (_selects, ["masked_select"]),
    ],
)
def test_a_loss_that_waits_is_caught(data: Path, function: Any, waits: list[str]) -> None:
    loss = UserLoss(function, LossConfig().ignore_index)
    task = _task(data)
    with SyncCounter() as counter:
        gatherer = _drive(task, _stepper(task, loss), 5)
    (block,) = gatherer.drain()
    assert [name for name in counter.names if name in waits] == len(block.loss) * waits
    mode, stepper, _ = _faked(_task(data))
    stepper._loss = loss
    with mode, pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        take_step(stepper, next(task.train.shuffled(0, 0)), step=1, lr=0.01)


@pytest.mark.parametrize("average", ["none", "ema"])
def test_a_trainer_waits_for_nothing_between_two_blocks(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, average: str
) -> None:
    monkeypatch.setattr(figures, "_BLOCK_S", 1e9)
    counts: dict[int, int] = {}
    folder, config = runs.create(model__name="convnet", average__name=average)
    with SyncCounter() as counter:
        runs.train(folder, config, at_step=lambda step: counts.update({step: len(counter.names)}))
    for first in (1, 11):
        assert {counts[step] for step in range(first, first + 10)} == {counts[first]}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@_every_setting
def test_no_step_waits_for_a_gpu(data: Path, settings: dict[str, Any]) -> None:
    chosen = {"model__name": "convnet", "data__batch_size": 16, "hardware__device": "cuda"}
    config = configure(**chosen | settings)
    task = set_up(config, data, threads=1, choices=[], code=own_code(data, config))
    stepper = _stepper(task)
    _drive(task, stepper, 20)
    batches = task.train.shuffled(0, 2)
    # The order of an epoch comes from the host, and with it the first batch.
    take_step(stepper, next(batches), step=100, lr=0.01)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step, batch in enumerate(batches, 101):
            take_step(stepper, batch, step=step, lr=0.01)
            if task.average is not None:
                task.average.after_step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
