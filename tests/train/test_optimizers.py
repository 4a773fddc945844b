"""Optimizers: torch's results, masked where a number is not finite, saved to the bit."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn, optim
from torch.utils._python_dispatch import TorchDispatchMode

from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState, unpack_optimizer
from tui_trainer.checkpoints.write import save_checkpoint
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.errors import ConfigError, ModelError
from tui_trainer.train.masked_optimizers import MaskedAdagrad
from tui_trainer.train.optimizers import apply_update, build_optimizer, set_lr

_CPU = torch.device("cpu")
_FINITE, _FOUND = torch.tensor(0.0), torch.tensor(1.0)

_NAMES = get_args(get_type_hints(OptimizerConfig)["name"])
_CONFIGS = {name: OptimizerConfig(name=name, beta2=0.95, weight_decay=0.01) for name in _NAMES} | {
    "nesterov": OptimizerConfig(name="sgd", nesterov=True),
    "no-momentum-sgd": OptimizerConfig(name="sgd", momentum=0.0),
    "no-momentum-rmsprop": OptimizerConfig(name="rmsprop", momentum=0.0, beta2=0.95),
}
_every = pytest.mark.parametrize("kind", _CONFIGS)


def _model() -> nn.Module:
    # A bias before a batch norm has a gradient of rounding errors alone, which is never the same.
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )
    return layers.to(memory_format=torch.channels_last)


def _gradients(model: nn.Module, seed: int, scale: float = 1.0) -> None:
    x_BCHW = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    device = next(model.parameters()).device
    model.zero_grad()
    (scale * model(x_BCHW.to(device)).square().mean()).backward()


def _train(
    model: nn.Module, optimizer: optim.Optimizer, steps: int, seed: int, flag: Tensor = _FINITE
) -> None:
    for step in range(steps):
        _gradients(model, seed + step)
        apply_update(optimizer, flag)


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def _state(optimizer: optim.Optimizer) -> dict[tuple[int, str], Tensor]:
    content = optimizer.state_dict()["state"]
    return {(i, k): v.clone() for i, entries in content.items() for k, v in entries.items()}


@pytest.mark.parametrize("name", _NAMES)
def test_every_optimizer_learns_the_digits(name: str) -> None:
    images, labels = load_digits(return_X_y=True)
    x_BF, labels_B = torch.tensor(images[:400] / 16).float(), torch.tensor(labels[:400])
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    lrs = {"sgd": 0.1, "adagrad": 0.1, "adadelta": 1.0}
    config = OptimizerConfig(name=name, lr=lrs.get(name, 0.01), beta2=0.95)
    optimizer = build_optimizer(config, model, _CPU)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(model(x_BF), labels_B).backward()
        apply_update(optimizer, _FINITE)
    assert (model(x_BF).argmax(1) == labels_B).float().mean() > 0.9


def _theirs(config: OptimizerConfig, groups: list[dict[str, Any]]) -> optim.Optimizer:
    """Torch's own, one parameter after the other."""
    lr, momentum, beta2, plain = config.lr, config.momentum, config.beta2, {"foreach": False}
    kinds: dict[str, Callable[[], optim.Optimizer]] = {
        "sgd": lambda: optim.SGD(
            groups, lr=lr, momentum=momentum, nesterov=config.nesterov, **plain
        ),
        "adagrad": lambda: optim.Adagrad(groups, lr=lr, **plain),
        "adadelta": lambda: optim.Adadelta(groups, lr=lr, rho=beta2, **plain),
        "rmsprop": lambda: optim.RMSprop(groups, lr=lr, alpha=beta2, momentum=momentum, **plain),
        "adam": lambda: optim.Adam(groups, lr=lr, betas=(momentum, beta2), **plain),
        "adamw": lambda: optim.AdamW(groups, lr=lr, betas=(momentum, beta2), **plain),
    }
    return kinds[config.name]()


@_every
def test_the_result_is_that_of_torch(kind: str) -> None:
    config = _CONFIGS[kind]
    ours, theirs = _model(), _model()
    decayed = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim <= 1]
    reference = _theirs(
        config,
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
    )
    optimizer = build_optimizer(config, ours, _CPU)
    before = _weights(ours)
    for step in range(20):
        _gradients(ours, step)
        apply_update(optimizer, _FINITE)
        _gradients(theirs, step)
        reference.step()
    assert not torch.equal(_weights(ours), before)
    torch.testing.assert_close(_weights(ours), _weights(theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adagrad_is_the_same_with_and_without_a_kernel_of_its_own(
    weight_decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = OptimizerConfig(name="adagrad", lr=0.1, weight_decay=weight_decay)
    fused, composed = _model(), _model()
    _train(fused, build_optimizer(config, fused, _CPU), 10, seed=0)
    monkeypatch.setattr(MaskedAdagrad, "_update_fused", MaskedAdagrad._update_composed)
    optimizer = build_optimizer(config, composed, _CPU)
    _train(composed, optimizer, 10, seed=0)
    torch.testing.assert_close(_weights(composed), _weights(fused), rtol=1e-4, atol=1e-6)
    before, state = _weights(composed), _state(optimizer)
    _gradients(composed, 99, scale=math.nan)
    apply_update(optimizer, _FOUND)
    assert torch.equal(_weights(composed), before)
    assert all(torch.equal(value, state[key]) for key, value in _state(optimizer).items())


@_every
@pytest.mark.parametrize("poison", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_masked_step_never_was(kind: str, poison: float, steps_before: int) -> None:
    """The weights keep their bits, and training goes on as if the step had not been."""
    masked, plain = _model(), _model()
    ours, reference = (build_optimizer(_CONFIGS[kind], model, _CPU) for model in (masked, plain))
    for model, optimizer in ((masked, ours), (plain, reference)):
        _train(model, optimizer, steps_before, seed=0)
    before = _weights(masked)
    _gradients(masked, 50, scale=poison)
    # Memory that was used before is what a buffer that nobody fills would hold.
    used = [torch.full_like(p, 1e9) for p in masked.parameters() for _ in range(8)]
    del used
    apply_update(ours, _FOUND)
    assert torch.equal(_weights(masked), before)
    assert all(torch.isfinite(value).all() for value in _state(ours).values())
    for model, optimizer in ((masked, ours), (plain, reference)):
        _train(model, optimizer, 3, seed=7)
    assert torch.equal(_weights(masked), _weights(plain))
    assert not torch.equal(_weights(masked), before)


class _Reads(TorchDispatchMode):
    """Counts what makes the host wait for the device: reading a number of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@_every
def test_an_update_reads_no_number_of_the_device(kind: str) -> None:
    model = _model()
    optimizer = build_optimizer(_CONFIGS[kind], model, _CPU)
    _gradients(model, 0)
    with _Reads() as reads:
        set_lr(optimizer, 0.01)
        apply_update(optimizer, _FINITE)
        apply_update(optimizer, _FOUND)
        assert reads.count == 0
        assert _FOUND.item() == 1.0
    assert reads.count == 1


@_every
def test_training_goes_on_to_the_bit_from_a_checkpoint(tmp_path: Path, kind: str) -> None:
    config = _CONFIGS[kind]
    scaled = OptimizerConfig(
        **{name: getattr(config, name) for name in config.__struct_fields__ if name != "lr_scales"},
        lr_scales="4=0.25",
    )
    model = _model()
    optimizer = build_optimizer(scaled, model, _CPU)
    set_lr(optimizer, 0.02)
    _train(model, optimizer, 5, seed=1)
    saved = save_checkpoint(tmp_path, take_snapshot(model, optimizer, _training_state()))
    _train(model, optimizer, 5, seed=2)

    loaded = read_checkpoint(tmp_path / Path(saved.folder).name)
    resumed = _model()
    resumed.load_state_dict(loaded.model)
    again = build_optimizer(scaled, resumed, _CPU)
    unpack_optimizer(again, loaded.optimizer_tensors, loaded.optimizer)
    assert {group["lr_scale"] for group in again.param_groups} == {1.0, 0.25}
    assert {group["lr"] for group in again.param_groups} == {0.02, 0.005}
    _train(resumed, again, 5, seed=2)
    assert torch.equal(_weights(resumed), _weights(model))
    ours, theirs = _state(again), _state(optimizer)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def _training_state() -> TrainingState:
    return TrainingState(
        step=5,
        steps_per_epoch=10,
        lr_scale=1.0,
        best=None,
        totals=EpochTotals(),
        fingerprint=Fingerprint(data_sha256="d", torch="t", device="cpu", threads=1),
    )


@pytest.mark.parametrize("name", _NAMES)
def test_biases_and_norms_are_not_decayed(name: str) -> None:
    model = _model()
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.5)
    optimizer = build_optimizer(config, model, _CPU)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    apply_update(optimizer, _FINITE)
    for key, parameter in model.named_parameters():
        assert torch.equal(parameter, before[key]) == (parameter.ndim <= 1), key
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(before)


@pytest.mark.parametrize("name", _NAMES)
def test_the_learning_rate_of_parts_is_scaled(name: str) -> None:
    config = OptimizerConfig(name=name, beta2=0.95)
    moves = {}
    for scales in ("", "0=0.5"):
        scaled = OptimizerConfig(name=name, beta2=0.95, lr_scales=scales)
        model = _model()
        optimizer = build_optimizer(scaled, model, _CPU)
        before = [p.detach().clone() for p in model.parameters()]
        set_lr(optimizer, config.lr)
        _train(model, optimizer, 1, seed=0)
        moves[scales] = [p.detach() - b for p, b in zip(model.parameters(), before, strict=True)]
    for index, (plain, part) in enumerate(zip(moves[""], moves["0=0.5"], strict=True)):
        factor = 0.5 if index == 0 else 1.0
        torch.testing.assert_close(part, plain * factor, rtol=1e-3, atol=1e-6)


class _Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)
        self.block = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.head = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("scales", "expected"),
    [
        ("", {}),
        ("conv*=0.1", {"conv1.": 0.1, "conv2.": 0.1}),
        ("head=2,block.1=3", {"head.": 2.0, "block.1.": 3.0}),
        ("*.bias=5", {"bias": 5.0}),
        ("head.weight=4", {"head.weight": 4.0}),
        ("*=0.5,head=2", {"": 0.5, "head.": 2.0}),
        ("head=2,*=0.5", {"": 0.5}),
        ("block.?=7", {"block.": 7.0}),
    ],
)
def test_patterns_match_parameters_and_modules(scales: str, expected: dict[str, float]) -> None:
    model = _Named()
    optimizer = build_optimizer(OptimizerConfig(lr_scales=scales), model, _CPU)
    scale_of = {id(p): g["lr_scale"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        wanted = 1.0
        for part, scale in expected.items():
            wanted = scale if name.startswith(part) or name.endswith(f".{part}") else wanted
        assert scale_of.pop(id(parameter)) == wanted, name
    assert not scale_of


def test_set_lr_scales_every_group() -> None:
    optimizer = build_optimizer(OptimizerConfig(lr=0.4, lr_scales="head=2"), _Named(), _CPU)
    assert {group["lr"] for group in optimizer.param_groups} == {0.4, 0.8}
    set_lr(optimizer, 0.1)
    assert {(g["lr_scale"], g["lr"]) for g in optimizer.param_groups} == {(1.0, 0.1), (2.0, 0.2)}


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'hed'") as caught:
        build_optimizer(OptimizerConfig(lr_scales="conv1=1,hed=2"), _Named(), _CPU)
    assert caught.value.hint == "Did you mean head?"
    with pytest.raises(ConfigError, match=r"'zzz\*'") as caught:
        build_optimizer(OptimizerConfig(lr_scales="zzz*=2"), _Named(), _CPU)
    assert "conv1" in caught.value.hint


def test_a_shared_parameter_is_held_once_and_known_by_either_name() -> None:
    model = _Named()
    model.head.weight = model.block[0].weight  # type: ignore[assignment]
    optimizer = build_optimizer(OptimizerConfig(lr_scales="head.weight=2"), model, _CPU)
    [group] = [group for group in optimizer.param_groups if group["lr_scale"] == 2.0]
    assert len(group["params"]) == 1
    assert group["params"][0] is model.block[0].weight
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len(list(model.parameters()))


def test_frozen_parameters_are_left_out() -> None:
    model = _Named()
    model.conv1.requires_grad_(False)
    optimizer = build_optimizer(OptimizerConfig(lr_scales="conv1=2"), model, _CPU)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize("model", [nn.Linear(2, 2).requires_grad_(False), nn.ReLU()])
def test_nothing_to_train_is_an_error(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="no parameter to train"):
        build_optimizer(OptimizerConfig(), model, _CPU)


@_every
def test_parameters_without_a_gradient_are_let_be(kind: str) -> None:
    model = _model()
    optimizer = build_optimizer(_CONFIGS[kind], model, _CPU)
    for step in range(4):
        _gradients(model, step)
        linear = [p.detach().clone() for p in model[4].parameters()]  # type: ignore[index]
        if step < 2:
            for parameter in model[4].parameters():  # type: ignore[index]
                parameter.grad = None
        apply_update(optimizer, _FINITE)
        kept = [torch.equal(p, b) for p, b in zip(model[4].parameters(), linear, strict=True)]  # type: ignore[index]
        assert kept == [step < 2] * 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@_every
def test_a_masked_step_on_a_gpu_waits_for_nothing(kind: str) -> None:
    device = torch.device("cuda", 0)
    model = _model().to(device)
    optimizer = build_optimizer(_CONFIGS[kind], model, device)
    finite, found = _FINITE.to(device), _FOUND.to(device)
    _train(model, optimizer, 2, seed=0, flag=finite)
    before = _weights(model)
    _gradients(model, 50, scale=math.nan)
    torch.cuda.set_sync_debug_mode("error")
    try:
        set_lr(optimizer, 0.01)
        apply_update(optimizer, found)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(_weights(model), before)
    assert all(torch.isfinite(value).all() for value in _state(optimizer).values())
    _train(model, optimizer, 2, seed=9, flag=finite)
    assert torch.isfinite(_weights(model)).all()
    assert not torch.equal(_weights(model), before)


_LIFE = """
import sys, torch
from torch import nn
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.train.optimizers import apply_update, build_optimizer, set_lr
for name in sys.argv[1:]:
    model = nn.Linear(2, 2)
    optimizer = build_optimizer(OptimizerConfig(name=name), model, torch.device("cpu"))
    model(torch.ones(1, 2)).sum().backward()
    before = model.weight.detach().clone()
    set_lr(optimizer, 0.1)
    apply_update(optimizer, torch.zeros(()))
    assert not torch.equal(model.weight, before), name
    optimizer.load_state_dict(optimizer.state_dict())
    assert "torch._dynamo" not in sys.modules, name
"""


def test_no_optimizer_imports_the_compiler() -> None:
    names = ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
    done = subprocess.run([sys.executable, "-c", _LIFE, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
