"""Options of a step: batches in parts, a bound on the gradient, and memory that runs out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tasks import make_stepper, make_task, prepare_stripes, take_step
from tests.train.runs import Runs, assert_same_run, messages, read_log
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.data.batches import Batch
from tui_trainer.errors import DeviceError
from tui_trainer.evaluate.metrics import judge
from tui_trainer.models import zoo
from tui_trainer.store.run_folder import RunFolder
from tui_trainer.train.setup import Task
from tui_trainer.train.step import StepFigures, Stepper, split_batch

_CUDA_OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
_CPU_OUT_OF_MEMORY = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried "
    "to allocate 8 bytes. Error code 12 (Cannot allocate memory)"
)
_MPS_OUT_OF_MEMORY = RuntimeError("MPS backend out of memory (MPS allocated: 17.30 GB)")
_every_message = pytest.mark.parametrize(
    "error",
    [_CUDA_OUT_OF_MEMORY, _CPU_OUT_OF_MEMORY, _MPS_OUT_OF_MEMORY],
    ids=["cuda", "cpu", "mps"],
)


class Small(nn.Module):
    """A model without batch norm, in a device that has room for `most` samples at once."""

    most = 1 << 20
    error: RuntimeError = _CUDA_OUT_OF_MEMORY
    only_backward = False

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, num_classes)
        )
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        """Logits B×K."""
        self.sizes.append(len(x))
        logits_BK: Tensor = self.layers(x)
        if len(x) > self.most and not self.only_backward:
            raise self.error
        if len(x) > self.most and logits_BK.requires_grad:
            logits_BK.register_hook(self._fail)  # type: ignore[no-untyped-call]
        return logits_BK

    def _fail(self, gradient: Tensor) -> None:
        raise self.error


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The name `mlp` builds a `Small`, with room for everything."""
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: Small(len(spec.classes)))
    monkeypatch.setattr(Small, "most", 1 << 20)
    yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with stripes."""
    prepare_stripes(tmp_path)
    return tmp_path


_SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "class weights": {"loss__class_weights": "1,2,3,4,5,0.1,0.2,0.3,0.4,0.5"},
    "ignored label": {"loss__ignore_index": 3},
    "both, smoothed": {
        "loss__class_weights": "balanced",
        "loss__ignore_index": 3,
        "loss__label_smoothing": 0.1,
    },
    "mixup": {"augment__mixup": 1.0, "loss__class_weights": "1,2,3,4,5,0.1,0.2,0.3,0.4,0.5"},
    "cutmix": {"augment__cutmix": 1.0, "loss__ignore_index": 3},
    "fp16": {"hardware__precision": "fp16", "optimizer__clip_norm": 0.5},
}
_every_setting = pytest.mark.parametrize("settings", _SETTINGS.values(), ids=_SETTINGS)


def _task(data: Path, **settings: Any) -> Task:
    return make_task(data, model__name="mlp", **{"optimizer__name": "sgd"} | settings)


def _sizes(task: Task) -> list[int]:
    assert isinstance(task.model, Small)
    return task.model.sizes


def _train(task: Task, stepper: Stepper, num_steps: int = 4) -> list[StepFigures]:
    """Figures of the first steps of epoch 0."""
    batches = zip(range(1, num_steps + 1), task.train.shuffled(0, 0), strict=False)
    return [take_step(stepper, batch, step=step, lr=0.1) for step, batch in batches]


def _assert_close(ours: Task, theirs: Task, figures: Any, expected: Any) -> None:
    torch.testing.assert_close(
        torch.tensor([[float(f) for f in row if f is not None] for row in figures]),
        torch.tensor([[float(f) for f in row if f is not None] for row in expected]),
        rtol=1e-3 if ours.precision.scaler else 1e-4,
        atol=1e-5,
    )
    for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-3, atol=1e-4 if ours.precision.scaler else 1e-5
        )


@_every_setting
def test_accumulated_batches_are_one_batch(data: Path, settings: dict[str, Any]) -> None:
    parts = _task(data, data__batch_size=16, optimizer__accumulate=4, **settings)
    whole = _task(data, data__batch_size=64, **settings)
    assert parts.steps_per_epoch == whole.steps_per_epoch == 5
    figures, expected = (_train(task, make_stepper(task), 5) for task in (parts, whole))
    _assert_close(parts, whole, figures, expected)
    # 290 samples: four full batches and one of 34.
    assert _sizes(parts) == [16] * 16 + [12, 11, 11]
    assert _sizes(whole) == [64] * 4 + [34]


@given(size=st.integers(1, 100), micro_batch=st.integers(0, 100), is_mixed=st.booleans())
def test_a_batch_is_split_evenly(size: int, micro_batch: int, is_mixed: bool) -> None:
    x_BF, labels_B = torch.arange(size)[:, None], torch.arange(size)
    batch = Batch(x_BF, labels_B, labels_B + 1 if is_mixed else None, 0.3)
    parts = split_batch(batch, micro_batch)
    assert len(parts) == (math.ceil(size / micro_batch) if micro_batch else 1)
    sizes = [len(part.labels_B) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= (micro_batch or size)
    assert torch.equal(torch.cat([part.x for part in parts]), x_BF)
    assert torch.equal(torch.cat([part.labels_B for part in parts]), labels_B)
    assert {part.share for part in parts} == {0.3}
    for part in parts:
        assert (part.mixed_labels_B is not None) == is_mixed
        assert part.mixed_labels_B is None or torch.equal(part.mixed_labels_B, part.labels_B + 1)


def test_a_step_of_accumulated_batches_counts_as_one(runs: Runs) -> None:
    folder = runs.finish(model__name="mlp", data__batch_size=16, optimizer__accumulate=4)
    start = read_log(folder)[0]
    assert isinstance(start, events.RunStarted)
    assert (start.steps_per_epoch, start.steps) == (5, 10)


def test_clipping_bounds_the_update_and_logs_the_norm_before(data: Path) -> None:
    bare = {"optimizer__momentum": 0.0, "optimizer__weight_decay": 0.0}
    plain, clipped = (_task(data, optimizer__clip_norm=norm, **bare) for norm in (0.0, 0.01))
    moves, norms = [], []
    for task in (plain, clipped):
        before = nn.utils.parameters_to_vector(task.model.parameters()).detach().clone()
        (figures,) = _train(task, make_stepper(task), 1)
        after = nn.utils.parameters_to_vector(task.model.parameters()).detach()
        moves.append((after - before) / -0.1)
        norms.append(figures.grad_norm.item())
    assert norms[0] == norms[1] > 0.1
    assert moves[0].norm().item() == pytest.approx(norms[0], rel=1e-3)
    assert moves[1].norm().item() == pytest.approx(0.01, rel=1e-3)
    cosine = torch.dot(moves[0], moves[1]) / (moves[0].norm() * moves[1].norm())
    assert cosine.item() == pytest.approx(1.0, abs=1e-3)


def test_a_small_gradient_is_not_clipped(data: Path) -> None:
    plain, clipped = (_task(data, optimizer__clip_norm=c) for c in (0, 1e6))
    for task in (plain, clipped):
        _train(task, make_stepper(task))
    for one, other in zip(plain.model.parameters(), clipped.model.parameters(), strict=True):
        assert torch.equal(one, other)


@_every_message
@pytest.mark.parametrize("only_backward", [False, True])
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, only_backward: bool
) -> None:
    roomy, narrow = (_task(data, data__batch_size=64) for _ in range(2))
    expected = _train(roomy, make_stepper(roomy), 5)
    monkeypatch.setattr(Small, "most", 20)
    monkeypatch.setattr(Small, "error", error)
    monkeypatch.setattr(Small, "only_backward", only_backward)
    stepper = make_stepper(narrow)
    figures = _train(narrow, stepper, 5)
    assert stepper.micro_batch == 16
    assert _sizes(narrow) == [64, 32] + [16] * 16 + [12, 11, 11]
    _assert_close(narrow, roomy, figures, expected)


def test_dropout_begins_anew_after_out_of_memory(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, found = (_task(data, data__batch_size=64) for _ in range(2))
    for task in (given, found):
        assert isinstance(task.model, Small)
        task.model.layers.insert(1, nn.Dropout(0.5))
    expected = _train(given, make_stepper(given, micro_batch=16))
    monkeypatch.setattr(Small, "most", 20)
    assert _train(found, make_stepper(found)) == expected


def test_too_little_memory_for_one_sample_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Small, "most", 0)
    task = _task(data)
    with pytest.raises(DeviceError, match="too small for even one sample") as caught:
        _train(task, make_stepper(task))
    assert "--activation-checkpointing" in caught.value.hint
    with pytest.raises(DeviceError, match="too small for even one sample"):
        judge(task.model, task.test.in_order(), task.criteria)


def test_other_errors_pass(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Small, "most", 20)
    monkeypatch.setattr(Small, "error", RuntimeError("CUDA error: device-side assert triggered"))
    task = _task(data)
    stepper = make_stepper(task)
    with pytest.raises(RuntimeError, match="device-side assert"):
        _train(task, stepper)
    assert stepper.micro_batch == 0
    with pytest.raises(RuntimeError, match="device-side assert"):
        judge(task.model, task.test.in_order(), task.criteria)


@_every_message
def test_a_split_is_judged_in_parts_that_fit(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    task = _task(data)
    expected = judge(task.model, task.test.in_order(), task.criteria)
    monkeypatch.setattr(Small, "most", 30)
    monkeypatch.setattr(Small, "error", error)
    judgement = judge(task.model, task.test.in_order(), task.criteria)
    assert judgement.metrics == pytest.approx(expected.metrics)
    assert _sizes(task) == [80, 80, 40, 20, 20, 40, 20, 20]


def _starved(runs: Runs, monkeypatch: pytest.MonkeyPatch, stop_at: int | None) -> RunFolder:
    monkeypatch.setattr(Small, "most", 20)
    folder, config = runs.create(model__name="mlp", data__batch_size=64)
    runs.train(folder, config, stop_at=stop_at)
    if stop_at is not None:
        saved = read_checkpoint(folder.checkpoints / folder_name(stop_at))
        assert saved.state.micro_batch == 16
        runs.train(folder, config, resume=True)
    return folder


def test_memory_that_ran_out_in_the_last_block_is_told(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Small, "most", 20)
    folder = runs.finish(model__name="mlp", data__batch_size=64, training__epochs=1)
    assert messages(folder) != []
    saved = read_checkpoint(folder.checkpoints / folder_name(5))
    assert saved.state.micro_batch == 16


def test_a_batch_that_the_model_has_changed_is_not_tried_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _task(data)
    task.model.register_forward_pre_hook(lambda module, inputs: inputs[0].mul_(2))
    _train(task, make_stepper(task))
    monkeypatch.setattr(Small, "most", 20)
    with pytest.raises(DeviceError, match="changes its input") as caught:
        _train(task, make_stepper(task))
    assert "--batch-size" in caught.value.hint


def test_a_micro_batch_that_fits_is_told_once_and_survives_a_resume(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (_starved(runs, monkeypatch, stop_at) for stop_at in (None, 3))
    for folder in (whole, cut):
        said = [text for text in messages(folder) if text.startswith("memory ran out")]
        assert said == [
            "memory ran out: a batch goes through the model 16 samples at a time from here on; "
            "the batch that makes a step stays the same"
        ]
    assert_same_run(whole, cut, 10)
