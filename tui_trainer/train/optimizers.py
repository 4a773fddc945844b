"""Optimizers, fused, with weight decay where it belongs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tui_trainer.core.config.checks import parse_lr_scales
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, ModelError
from tui_trainer.train.freezing import names_part
from tui_trainer.train.masked_optimizers import MaskedAdadelta, MaskedAdagrad, MaskedRMSprop

_FUSED_DEVICES = {"cpu", "cuda", "mps"}

Group = dict[str, Any]


def build_optimizer(config: OptimizerConfig, model: nn.Module, device: torch.device) -> Optimizer:
    """The optimizer for a model that is on its device, in its memory format and not yet wrapped.

    `momentum` is that of SGD and RMSprop and the first beta of Adam and AdamW; Adagrad and Adadelta
    have none. `beta2` is the second beta of Adam and AdamW, the alpha of RMSprop and the rho of
    Adadelta; SGD and Adagrad have none. Weight decay is decoupled for AdamW and an L2 penalty for
    the others; parameters of one dimension or none, which are biases and normalisation weights,
    are not decayed. Parameters that are frozen are left out.

    Each group carries `lr_scale`, the factor to the learning rate that `lr_scales` gives its
    parameters by the names of these or of modules around them; where several match, the last
    counts (see `set_lr`). Every optimizer takes a flag that masks a step (see `apply_update`).

    Raises:
        ConfigError: a pattern of `lr_scales` matches no parameter.
        ModelError: the model has no parameter to train.
    """
    assert device.type in _FUSED_DEVICES
    _spare_compiler()
    groups = _groups(config, model)
    name, momentum, beta2 = config.name, config.momentum, config.beta2
    if name == "sgd":
        nesterov = config.nesterov and momentum > 0
        sgd = SGD(groups, lr=config.lr, momentum=momentum, nesterov=nesterov, fused=True)
        return _with_momentum_buffers(sgd)
    if name == "adagrad":
        return MaskedAdagrad(groups, lr=config.lr)
    if name == "adadelta":
        return MaskedAdadelta(groups, lr=config.lr, rho=beta2)
    if name == "rmsprop":
        return MaskedRMSprop(groups, lr=config.lr, alpha=beta2, momentum=momentum)
    kind = AdamW if name == "adamw" else Adam
    return kind(groups, lr=config.lr, betas=(momentum, beta2), fused=True)


def apply_update(optimizer: Optimizer, found_inf: Tensor) -> None:
    """Step, unless `found_inf`, a float tensor of one element on the device, is 1.

    A masked step leaves weights and state as they are, to the bit. The host never waits for the
    device to know.
    """
    optimizer.found_inf = found_inf  # type: ignore[attr-defined]
    with torch.no_grad():
        _bare_step_of(cast(Any, type(optimizer)))(optimizer)


@functools.cache
def _bare_step_of(kind: type[Optimizer]) -> Callable[[Optimizer], Any]:
    """The step without the hooks around it, which serve profilers and torch.compile.

    They take time at each step, and the first of them imports torch's compiler.
    """
    return cast(Callable[[Optimizer], Any], inspect.unwrap(cast(Any, kind.step)))


def _spare_compiler() -> None:
    """Keep optimizers from importing torch's compiler, which takes more than a second.

    They would only to tell it not to compile these functions, which nobody asks it to.
    """
    for name in ("add_param_group", "state_dict", "load_state_dict", "zero_grad"):
        function = inspect.unwrap(getattr(Optimizer, name))
        # Where `torch._compile._disable_dynamo` keeps what it makes of a function.
        vars(function).setdefault("__dynamo_disable", function)


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Use the learning rate `lr` for the steps to come, times each group's `lr_scale`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def _groups(config: OptimizerConfig, model: nn.Module) -> list[Group]:
    """Parameter groups: one for each scale of the learning rate, decayed or not."""
    names_of: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names_of.setdefault(parameter, []).append(name)
    scales = parse_lr_scales(config.lr_scales)
    for pattern, _ in scales:
        _check_matches(pattern, model)
    trained = [parameter for parameter in names_of if parameter.requires_grad]
    if not trained:
        raise ModelError(
            "The model has no parameter to train.",
            "Freeze less of it, or give it layers that hold parameters.",
        )
    groups: dict[tuple[bool, float], Group] = {}
    # The decayed come first: checkpoints number parameters in the order of the groups.
    for parameter in sorted(trained, key=lambda parameter: parameter.ndim <= 1):
        # Without decay all are alike: each group is a call of the optimizer's kernel.
        decayed = parameter.ndim > 1 and config.weight_decay > 0
        scale = _scale_of(names_of[parameter], scales)
        new = {
            "params": [],
            "lr": config.lr * scale,
            "lr_scale": scale,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        groups.setdefault((decayed, scale), new)["params"].append(parameter)
    return list(groups.values())


def _scale_of(names: Sequence[str], scales: Iterable[tuple[str, float]]) -> float:
    """The factor for a parameter of these names; of several patterns that match, the last's."""
    factors = [
        factor for pattern, factor in scales if any(names_part(pattern, name) for name in names)
    ]
    return factors[-1] if factors else 1.0


def _check_matches(pattern: str, model: nn.Module) -> None:
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    if not any(names_part(pattern, name) for name in names):
        modules = [name for name, _ in model.named_modules() if name]
        raise ConfigError(
            f"optimizer.lr_scales names {pattern!r}, which matches no parameter of the model.",
            hint_for(pattern.strip("*"), [*modules, *names]),
        )


def _with_momentum_buffers(sgd: SGD) -> SGD:
    """Begin with momentum of zero.

    Torch makes the buffers in the first step without filling them; where that step is masked they
    stay whatever was in memory, and the next step adds it to the weights.
    """
    for group in sgd.param_groups:
        if group["momentum"] > 0:
            for parameter in group["params"]:
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd
