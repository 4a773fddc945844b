"""Averaged weights: the formulas hold, nothing waits, and what is judged fits its norms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.swa_utils import update_bn
from torch.utils._python_dispatch import TorchDispatchMode

from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState
from tui_trainer.checkpoints.write import save_checkpoint
from tui_trainer.core.config.average import AverageConfig
from tui_trainer.errors import CheckpointError, ModelError
from tui_trainer.train.averaging import WeightAverage, build_average, refresh_batch_norm
from tui_trainer.train.freezing import freeze


def _convnet(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(3)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.Dropout(dropout),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 2),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return layers.to(memory_format=torch.channels_last)


def _inputs(count: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(5, 2, 4, 4, generator=generator) + n for n in range(count)]


def _average(model: nn.Module, **settings: Any) -> WeightAverage:
    epochs = settings.pop("epochs", 4)
    average = build_average(AverageConfig(**settings), model, epochs=epochs)
    assert average is not None
    return average


def _set(model: nn.Module, value: Tensor) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(value.expand_as(parameter))


def _none() -> Iterator[Tensor]:
    raise AssertionError("no batch is needed")
    yield


def test_none_is_no_average() -> None:
    assert build_average(AverageConfig(), nn.Linear(2, 2), epochs=3) is None


@settings(max_examples=30, deadline=None)
@given(
    decay=st.floats(0.01, 0.9999),
    weights=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40),
)
def test_the_moving_average_is_the_closed_formula(decay: float, weights: list[float]) -> None:
    model = nn.Linear(3, 2).double()
    average = _average(model, name="ema", ema_decay=decay)
    for step, weight in enumerate(weights, 1):
        _set(model, torch.tensor(weight, dtype=torch.float64))
        average.after_step(step)
    # Update n, from 1 on, keeps the share d[n] of what was before; the first one is a copy.
    decays = [0.0] + [min(decay, (1 + n) / (10 + n)) for n in range(len(weights) - 1)]
    expected = 0.0
    for index, weight in enumerate(weights):
        later = torch.tensor(decays[index + 1 :], dtype=torch.float64).prod().item()
        expected += (1 - decays[index]) * later * weight
    assert average.count == len(weights)
    for parameter in average.model.parameters():
        assert parameter.flatten().tolist() == pytest.approx([expected] * parameter.numel())


def test_the_moving_average_begins_as_the_weights_of_the_first_step() -> None:
    model = _convnet()
    average = _average(model, name="ema")
    assert not average.is_ready
    model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    average.after_step(1)
    average.after_epoch(1, _none)
    assert average.is_ready
    for name, value in average.tensors().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_the_moving_average_takes_in_running_statistics_and_copies_counters() -> None:
    model = _convnet().train()
    average = _average(model, name="ema", ema_decay=0.5)
    expected = torch.zeros(4)
    for step, x in enumerate(_inputs(4), 1):
        model(x)
        average.after_step(step)
        decay = min(0.5, (step - 1) / (step + 8))
        expected = decay * expected + (1 - decay) * model[2].running_mean
    tensors = average.tensors()
    assert torch.allclose(tensors["2.running_mean"], expected)
    assert not torch.allclose(expected, model[2].running_mean, rtol=0.01)
    assert tensors["2.num_batches_tracked"].item() == 4
    assert average.model.training is False


class _Masked(nn.Module):
    """A model with a mask of infinities, an integer weight and a buffer that grows."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.scale = nn.Parameter(torch.tensor([2]), requires_grad=False)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("seen", torch.zeros(0))

    def forward(self, x_BD: Tensor) -> Tensor:
        """B×2."""
        self.seen = torch.cat([self.seen, x_BD[0]])
        return x_BD * self.weight * self.scale + self.mask


def test_buffers_that_have_no_mean_are_copied() -> None:
    model = _Masked()
    average = _average(model, name="ema")
    for step in (1, 2, 3):
        model(torch.ones(1, 2))
        average.after_step(step)
    model.scale.fill_(5)
    tensors = average.tensors()
    assert tensors["mask"].tolist() == [0.0, -torch.inf]
    assert tensors["seen"].tolist() == [1.0] * 6
    assert tensors["scale"].tolist() == [5]


def test_a_masked_step_does_no_harm() -> None:
    model = _convnet()
    average = _average(model, name="ema")
    average.after_step(1)
    before = {name: value.clone() for name, value in average.tensors().items()}
    average.after_step(2)
    assert all(torch.equal(value, before[name]) for name, value in average.tensors().items())


class _Operations(TorchDispatchMode):
    """The names of the operations that run in it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the operation's name and run it."""
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


def test_a_step_of_the_moving_average_is_one_operation() -> None:
    average = _average(_convnet(), name="ema")
    average.after_step(1)
    with _Operations() as operations:
        average.after_step(2)
    assert operations.names == ["aten::_foreach_lerp_.Scalar"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_step_of_the_moving_average_does_not_wait_for_the_device() -> None:
    average = _average(_convnet().cuda(), name="ema")
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in (1, 2, 3):
            average.after_step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert average.count == 3
    assert {value.device.type for value in average.tensors().values()} == {"cuda"}


@settings(max_examples=20, deadline=None)
@given(
    epochs=st.integers(1, 12),
    start=st.floats(0, 0.99),
    seed=st.integers(0, 1000),
)
def test_the_average_of_epochs_is_their_mean(epochs: int, start: float, seed: int) -> None:
    torch.manual_seed(seed)
    model = nn.Linear(2, 2).double()
    average = _average(model, name="swa", swa_start=start, epochs=epochs)
    taken = []
    for epoch in range(1, epochs + 1):
        average.after_step(epoch)
        _set(model, torch.randn((), dtype=torch.float64))
        average.after_epoch(epoch, _inputs_of_none)
        if epoch >= start * epochs:
            taken.append(model.weight.detach().clone())
        assert average.is_ready == bool(taken)
        assert average.count == len(taken)
    assert taken
    assert torch.allclose(average.model.weight, torch.stack(taken).mean(0))  # type: ignore[arg-type]


def _inputs_of_none() -> Iterable[Tensor]:
    # Asked for, but never drawn from where there is no batch norm.
    return _none()


def test_the_norms_of_averaged_epochs_are_those_of_the_mean() -> None:
    model = _convnet()
    average = _average(model, name="swa", swa_start=0.5, epochs=4)
    for epoch in (1, 2, 3, 4):
        torch.manual_seed(epoch)
        _set(model, torch.randn(()))
        average.after_epoch(epoch, lambda: _inputs(3))
    again = _convnet()
    again.load_state_dict(average.tensors())
    update_bn(_inputs(3), again)
    for name, value in average.tensors().items():
        assert torch.allclose(value, again.state_dict()[name]), name


def test_a_run_resumed_for_more_epochs_leaves_out_what_is_early_now() -> None:
    model = nn.Linear(2, 2)
    before = _average(model, name="swa", swa_start=0.5, epochs=4)
    for epoch in (1, 2, 3, 4):
        before.after_epoch(epoch, _inputs_of_none)
    assert before.count == 3
    after = _average(model, name="swa", swa_start=0.75, epochs=8)
    after.load(before.tensors(), before.count)
    after.after_epoch(5, _inputs_of_none)
    assert not after.is_ready
    _set(model, torch.tensor(7.0))
    after.after_epoch(6, _inputs_of_none)
    assert after.count == 1
    assert all((value == 7.0).all() for value in after.tensors().values())


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_refreshed_norms_hold_the_statistics_of_the_batches(sizes: list[int], seed: int) -> None:
    norm = nn.BatchNorm1d(3, dtype=torch.float64)
    norm.running_mean.fill_(9.0)  # type: ignore[union-attr]
    torch.manual_seed(seed)
    batches = [torch.randn(size, 3, dtype=torch.float64) * 5 + 2 for size in sizes]
    refresh_batch_norm(nn.Sequential(norm), batches)
    means = torch.stack([x.mean(0) for x in batches]).mean(0)
    variances = torch.stack([x.var(0) for x in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not norm.training
    assert norm.momentum == 0.1


def test_refreshing_looks_at_a_bounded_number_of_batches() -> None:
    drawn = 0

    def endless() -> Iterator[Tensor]:
        nonlocal drawn
        while True:
            drawn += 1
            yield torch.randn(2, 2, 4, 4)

    model = _convnet()
    refresh_batch_norm(model, endless())
    assert drawn == 100
    assert model[2].num_batches_tracked.item() == 100


def test_refreshing_draws_no_random_number() -> None:
    first, second = _convnet(dropout=0.5), _convnet(dropout=0.5)
    torch.manual_seed(1)
    refresh_batch_norm(first, _inputs(3))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    refresh_batch_norm(second, _inputs(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[2].running_var, second[2].running_var)


def test_refreshing_leaves_frozen_norms_alone() -> None:
    model = _convnet()
    freeze(model, "0,2")
    before = model[2].running_mean.clone()
    average = _average(model, name="swa", swa_start=0.0)
    average.after_epoch(1, lambda: _inputs(3))
    assert torch.equal(average.tensors()["2.running_mean"], before)
    assert not torch.equal(average.tensors()["5.running_mean"], model[5].running_mean)


def test_refreshing_puts_things_back_after_an_error() -> None:
    model = _convnet()
    with pytest.raises(RuntimeError):
        refresh_batch_norm(model, [torch.zeros(2, 9, 4, 4)])
    assert not any(module.training for module in model.modules())
    assert model[5].momentum == 0.3


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_an_average_goes_on_to_the_bit(tmp_path: Path, name: str) -> None:
    """Two epochs in one go, and the same with a checkpoint between them."""

    def train(average: WeightAverage, model: nn.Module, optimizer: SGD, epoch: int) -> None:
        model.train()
        for step, x in enumerate(_inputs(12, seed=epoch), 1):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            average.after_step(step)
        average.after_epoch(epoch, lambda: _inputs(3))

    def start() -> tuple[WeightAverage, nn.Module, SGD]:
        model = _convnet()
        average = _average(model, name=name, swa_start=0.25, ema_decay=0.9)
        return average, model, SGD(model.parameters(), lr=0.05, fused=True)

    whole, model, optimizer = start()
    train(whole, model, optimizer, 1)
    saved = save_checkpoint(
        tmp_path, take_snapshot(model, optimizer, _state(whole.count), whole.tensors())
    )
    train(whole, model, optimizer, 2)

    checkpoint = read_checkpoint(tmp_path / saved.folder)
    assert checkpoint.averaged is not None
    again, model, optimizer = start()
    model.load_state_dict(checkpoint.model)
    again.load(checkpoint.averaged, checkpoint.state.average_count)
    train(again, model, optimizer, 2)
    assert again.count == whole.count
    for key, value in whole.tensors().items():
        assert torch.equal(value, again.tensors()[key]), key


def _state(average_count: int) -> TrainingState:
    return TrainingState(
        step=12,
        steps_per_epoch=12,
        lr_scale=1.0,
        best=None,
        totals=EpochTotals(),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
        average_count=average_count,
    )


def test_the_average_keeps_the_memory_order_of_the_weights() -> None:
    average = _average(_convnet(), name="ema")
    contiguous = {name: value.contiguous() for name, value in _convnet().state_dict().items()}
    average.load(contiguous, 1)
    weight = average.model.get_parameter("0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.requires_grad


def test_averaged_weights_of_another_model_are_refused() -> None:
    average = _average(nn.Linear(2, 2), name="ema")
    with pytest.raises(CheckpointError, match="do not fit"):
        average.load(nn.Linear(3, 2).state_dict(), 1)


def test_a_model_that_cannot_be_copied_is_named() -> None:
    model = nn.Linear(2, 2)
    model.lines = (line for line in ())  # type: ignore[assignment]
    with pytest.raises(ModelError, match="cannot be copied") as caught:
        build_average(AverageConfig(name="ema"), model, epochs=1)
    assert "--average none" in caught.value.hint
