"""From a configured name to the model that is trained."""

from __future__ import annotations

import functools
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tui_trainer.checkpoints.initial import load_initial, read_weights
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import DeviceError, ModelError
from tui_trainer.models.build import UserCode, build_model
from tui_trainer.train.freezing import freeze

_Norms = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class InitialModel:
    """A model with the weights it begins with, and what to tell people of it."""

    model: nn.Module
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def build_initial(
    config: RunConfig, spec: DatasetSpec, code: UserCode, *, is_fresh: bool
) -> InitialModel:
    """The model of a run before its first step, on the CPU, frozen in part where asked.

    Unless `is_fresh` the weights of a checkpoint follow, and no others are looked for.

    Raises:
        ModelError, ConfigError, CheckpointError: a name, a file or a pattern does not fit.
    """
    named = config.model
    if not is_fresh:
        named = msgspec.structs.replace(named, pretrained=False, init_from="")
    model, warnings = build_model(named, spec, config.training.seed, code)
    notes: list[str] = []
    if named.init_from:
        file = Path(named.init_from)
        report = load_initial(model, read_weights(file))
        notes += [f"weights from {file}: {line}" for line in report.lines]
        warnings = [*warnings, *report.warnings]
    if named.freeze:
        frozen = freeze(model, named.freeze)
        notes.append(f"frozen: {', '.join(frozen)}")
    return InitialModel(model, tuple(notes), tuple(warnings))


def place_model(
    model: nn.Module, config: HardwareConfig, spec: DatasetSpec, device: torch.device
) -> nn.Module:
    """The model on its device, its images channels-last in memory where asked."""
    if config.channels_last and spec.kind == "image":
        model = model.to(memory_format=torch.channels_last)
    return model.to(device)


def wrap_model(model: nn.Module, config: HardwareConfig, device: torch.device) -> None:
    """Have a model recompute its activations, or compile it, in place, where asked.

    Raises:
        DeviceError: there is no compiler to compile it with.
    """
    if config.activation_checkpointing:
        checkpoint_activations(model)
    if config.compile:
        _check_compiler(device)
        model.compile()


def checkpoint_activations(model: nn.Module) -> None:
    """Keep only the activations between a model's parts, and compute the rest again for backward.

    Source: Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    redo = functools.partial(
        checkpoint, use_reentrant=False, context_fn=functools.partial(_make_contexts, model)
    )
    if isinstance(model, nn.Sequential):
        segments = _segments_of(model)
        model.forward = _only_for_training(  # type: ignore[method-assign]
            model.forward, lambda x: functools.reduce(lambda y, part: redo(part, y), segments, x)
        )
        return
    for child in model.children():
        if any(True for _ in child.parameters()):
            child.forward = _only_for_training(
                child.forward, functools.partial(redo, child.forward)
            )


def _segments_of(model: nn.Sequential) -> list[nn.Sequential]:
    """About as many segments of layers as there are layers in each: the least memory in all."""
    layers = list(model)
    size = max(1, math.isqrt(len(layers)))
    return [nn.Sequential(*layers[n : n + size]) for n in range(0, len(layers), size)]


def _only_for_training(
    plain: Callable[..., Tensor], training: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    def forward(*inputs: Any) -> Tensor:
        return training(*inputs) if torch.is_grad_enabled() else plain(*inputs)

    return forward


def _make_contexts(model: nn.Module) -> tuple[Any, Any]:
    return nullcontext(), _norms_at_rest(model)


@contextmanager
def _norms_at_rest(model: nn.Module) -> Iterator[None]:
    """Batch norms do not move their statistics: the first pass has moved them already."""
    moving = [
        module
        for module in model.modules()
        if isinstance(module, _Norms) and module.training and module.track_running_stats
    ]
    for norm in moving:
        # In training mode a norm without them computes the same from its batch.
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in moving:
            norm.track_running_stats = True


def _check_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise DeviceError(
                "torch.compile needs Triton for this GPU, and it is not here or the GPU too old.",
                "Leave --compile out, or install Triton.",
            )
    elif shutil.which("g++") is None and shutil.which("clang++") is None:
        raise DeviceError(
            "torch.compile needs a C++ compiler for this device, and there is none.",
            "Leave --compile out, or install g++.",
        )


def explain_compile_error(error: Exception) -> ModelError | None:
    """A sentence for an error that torch.compile raised; None for any other error."""
    from torch._dynamo.exc import TorchDynamoException

    if not isinstance(error, TorchDynamoException):
        return None
    first_line = str(error).strip().splitlines()[0]
    return ModelError(f"torch.compile failed: {first_line}.", "Leave --compile out.")
