"""Precision: what is computed in few bits, what is not, and how fp16 finds its scale."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from tests.tasks import configure, make_stepper, make_task, prepare_stripes, take_step
from tests.train.runs import (
    Runs,
    assert_same_run,
    evaluations,
    live_steps,
    messages,
    read_log,
)
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import DeviceError, TuitrainError
from tui_trainer.train import precision
from tui_trainer.train.precision import choose_precision, pack_scaler, unpack_scaler
from tui_trainer.train.setup import Task

_CPU = torch.device("cpu")
_OPTIMIZERS = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with stripes."""
    prepare_stripes(tmp_path)
    return tmp_path


@pytest.fixture
def switches() -> Iterator[None]:
    """PyTorch's switches are put back after the test."""
    matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = cudnn


def _weights(task: Task) -> Tensor:
    return nn.utils.parameters_to_vector(task.model.parameters()).detach().clone()


def _outputs(task: Task) -> list[torch.dtype]:
    """The type of every layer's output, of the passes to come."""
    seen: list[torch.dtype] = []
    for layer in task.model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda module, x, y: seen.append(y.dtype))
    return seen


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_layers_compute_in_the_precision_and_weights_stay_whole(
    data: Path, name: str, dtype: torch.dtype
) -> None:
    task = make_task(data, model__name="convnet", hardware__precision=name)
    seen = _outputs(task)
    figures = take_step(make_stepper(task), next(task.train.shuffled(0, 0)), step=1, lr=0.01)
    assert len(seen) == 4
    assert set(seen) == {dtype}
    assert {p.dtype for p in task.model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in task.model.parameters() if p.grad is not None} == {torch.float32}
    assert {figure.dtype for figure in figures[:2]} == {torch.float32}


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_model_learns_in_few_bits(runs: Runs, name: str) -> None:
    folder = runs.finish(model__name="mlp", hardware__precision=name, training__epochs=4)
    (tested,) = evaluations(folder, "test").values()
    assert tested["accuracy"] > 0.9


def _scale(task: Task) -> float:
    packed = pack_scaler(task.precision.scaler)
    assert packed is not None
    return packed["scale"]


@pytest.mark.parametrize("optimizer", _OPTIMIZERS)
def test_an_overflow_is_masked_and_halves_the_scale(data: Path, optimizer: str) -> None:
    task = make_task(data, model__name="mlp", hardware__precision="fp16", optimizer__name=optimizer)
    assert task.precision.scaler is not None
    unpack_scaler(task.precision.scaler, {"scale": 2.0**30, "growth_tracker": 7})
    stepper, batch = make_stepper(task), next(task.train.shuffled(0, 0))
    lr = {"adadelta": 1.0, "rmsprop": 1e-4}.get(optimizer, 0.01)
    before, masked, losses = _weights(task), 0, []
    for step in range(1, 41):
        scale = _scale(task)
        figures = take_step(stepper, batch, step=step, lr=lr)
        assert torch.isfinite(figures.loss)
        losses.append(figures.loss.item())
        if torch.isfinite(figures.grad_norm):
            assert _scale(task) == scale
            assert not torch.equal(_weights(task), before)
        else:
            masked += 1
            assert _scale(task) == scale / 2
            assert torch.equal(_weights(task), before)
        before = _weights(task)
    assert 3 <= masked <= 30  # About 2**17 is the largest scale that fits.
    assert losses[-1] < 0.7 * losses[0]


def test_the_gradient_is_that_of_the_loss_whatever_the_scale(data: Path) -> None:
    norms = []
    for scale in (1.0, 2.0**10):
        task = make_task(data, model__name="mlp", hardware__precision="fp16")
        assert task.precision.scaler is not None
        unpack_scaler(task.precision.scaler, {"scale": scale, "growth_tracker": 0})
        figures = take_step(make_stepper(task), next(task.train.shuffled(0, 0)), step=1, lr=0.01)
        norms.append(figures.grad_norm.item())
    assert norms[0] == pytest.approx(norms[1], rel=1e-2)


def test_clipping_in_fp16_bounds_the_gradient_itself(data: Path) -> None:
    task = make_task(data, model__name="mlp", hardware__precision="fp16", optimizer__clip_norm=0.01)
    stepper = make_stepper(task)
    figures = take_step(stepper, next(task.train.shuffled(0, 0)), step=1, lr=0.01)
    assert 0.1 < figures.grad_norm < math.inf
    gradients = [p.grad for p in task.model.parameters() if p.grad is not None]
    assert nn.utils.get_total_norm(gradients).item() == pytest.approx(0.01, rel=1e-3)


def test_overflows_without_end_stop_the_run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    real = nn.Sequential.forward

    class Overflowing(torch.autograd.Function):
        """Passes numbers on, and back a gradient that is too large."""

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            """The same."""
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            """Infinity."""
            return gradient / 0.0

    def forward(self: nn.Sequential, x: Tensor) -> Tensor:
        return Overflowing.apply(real(self, x))  # type: ignore[no-any-return, no-untyped-call]

    monkeypatch.setattr(nn.Sequential, "forward", forward)
    folder, config = runs.create(model__name="mlp", hardware__precision="fp16", training__epochs=9)
    with pytest.raises(TuitrainError, match=r"overflowed fp16 51 steps in a row up to step 51"):
        runs.train(folder, config)
    failed = read_log(folder)[-1]
    assert isinstance(failed, events.Failed)
    assert failed.code == "non-finite"
    assert "--precision bf16" in failed.hint
    for step in list_steps(folder.checkpoints):
        checkpoint = read_checkpoint(folder.checkpoints / folder_name(step))
        assert all(torch.isfinite(tensor).all() for tensor in checkpoint.model.values())


def _begin_with_a_large_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    eager = functools.partial(GradScaler, init_scale=2.0**20)
    monkeypatch.setattr(precision, "GradScaler", eager)


def test_an_overflow_now_and_then_is_no_failure(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _begin_with_a_large_scale(monkeypatch)
    folder = runs.finish(model__name="mlp", hardware__precision="fp16")
    norms = [row[2] for row in live_steps(folder).values()]
    overflows = [step for step, norm in enumerate(norms, 1) if isinstance(norm, str)]
    assert 0 < len(overflows) < 10
    assert isinstance(read_log(folder)[-1], events.Finished)
    saved = read_checkpoint(folder.checkpoints / folder_name(20)).state.scaler
    assert saved == {"scale": 2.0 ** (20 - len(overflows)), "growth_tracker": 20 - overflows[-1]}


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_resumed_run_is_the_same_to_the_bit(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # With a scale that would have to be found again, were it not saved.
    _begin_with_a_large_scale(monkeypatch)
    settings = {
        "model__name": "mlp",
        "hardware__precision": name,
        "optimizer__clip_norm": 1.0,
        "schedule__name": "cosine",
    }
    whole = runs.finish(**settings)
    cut, config = runs.create(**settings)
    runs.train(cut, config, stop_at=2)
    runs.train(cut, config, resume=True, stop_at=13)
    runs.train(cut, config, resume=True)
    assert_same_run(whole, cut, 20)
    resumed = [event for event in read_log(cut) if isinstance(event, events.Resumed)]
    assert {event.exactness for event in resumed} == {"exact"}


def test_another_precision_on_resume_is_told(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=5)
    other = configure(
        model__name="mlp",
        hardware__device="cpu",
        hardware__threads=1,
        hardware__precision="bf16",
    )
    runs.train(folder, other, resume=True, accept=Exactness.APPROXIMATE)
    assert "approximate: the precision changed from fp32 to bf16" in messages(folder)


def test_tf32_is_refused_without_a_gpu(data: Path) -> None:
    with pytest.raises(DeviceError, match="TF32 is a format of NVIDIA GPUs") as caught:
        make_task(data, hardware__precision="tf32")
    assert "--precision fp32 or bf16" in caught.value.hint


@pytest.mark.usefixtures("switches")
@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_nothing_is_rounded_to_tf32_unasked(name: str) -> None:
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    choose_precision(configure(hardware__precision=name).hardware, _CPU)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.usefixtures("switches")
def test_tf32_is_switched_on_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    config, device = configure(hardware__precision="tf32").hardware, torch.device("cuda", 0)
    chosen = choose_precision(config, device)
    assert (chosen.autocast_dtype, chosen.scaler) == (None, None)
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(DeviceError, match="Some GPU is too old for TF32"):
        choose_precision(config, device)


def test_bf16_is_refused_on_a_gpu_that_would_only_emulate_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    config = configure(hardware__precision="bf16").hardware
    with pytest.raises(DeviceError, match="Some GPU does not compute in bf16") as caught:
        choose_precision(config, torch.device("cuda", 0))
    assert "fp16" in caught.value.hint
