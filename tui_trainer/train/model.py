"""From a configured name to the model that is trained."""

from __future__ import annotations

import functools
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import msgspec
import platformdirs
import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from tui_trainer.checkpoints.initial import load_initial, read_weights
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import DeviceError, ModelError
from tui_trainer.models.build import UserCode, build_model
from tui_trainer.train.freezing import freeze


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
        # Beside the datasets: what was compiled once serves every later run of the same model.
        cache = Path(platformdirs.user_cache_dir("tuitrain", appauthor=False)) / "compiled"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
        model.compile()


def checkpoint_activations(model: nn.Module) -> None:
    """Keep only the activations between a model's parts, and compute the rest again for backward.

    A part is some layers of a sequence, or a module that holds parameters. Numbers, gradients and
    the statistics of norm layers stay what they were; buffers that a model changes by itself in
    `forward` are changed twice.

    Source: Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    for part in [model] if _is_sequence(model) else model.children():
        _checkpoint_part(part)


def _checkpoint_part(part: nn.Module) -> None:
    if _is_sequence(part) and not any(map(_is_sequence, part.children())):
        forwards = [_recomputed(segment, segment) for segment in _segments_of(part)]
        _train_with(part, lambda input: functools.reduce(lambda x, f: f(x), forwards, input))
    elif _is_sequence(part) or type(part).forward is nn.Module.forward:
        # It only holds others, as an nn.ModuleList does.
        for child in part.children():
            _checkpoint_part(child)
    elif any(True for _ in part.parameters()):
        _train_with(part, _recomputed(part, part.forward))


def _is_sequence(module: nn.Module) -> TypeGuard[nn.Sequential]:
    return type(module).forward is nn.Sequential.forward


def _segments_of(sequence: nn.Sequential) -> list[nn.Sequential]:
    """About as many segments of layers as there are layers in each: the least memory in all."""
    layers = list(sequence)
    size = max(1, math.isqrt(len(layers)))
    segments: list[list[nn.Module]] = [[]]
    for layer in layers:
        # What a segment is given has to be there still when it is computed again.
        if len(segments[-1]) >= size and not getattr(layer, "inplace", False):
            segments.append([])
        segments[-1].append(layer)
    return [nn.Sequential(*segment) for segment in segments]


def _recomputed(part: nn.Module, plain: Callable[..., Any]) -> Callable[..., Any]:
    norms = [module for module in part.modules() if isinstance(module, _NormBase)]

    def forward(*inputs: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling():
            # What is compiled moves statistics once by itself, and may not be in contexts.
            return checkpoint(plain, *inputs, use_reentrant=False, **named)
        return checkpoint(
            plain,
            *inputs,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), _norms_at_rest(norms)),
            **named,
        )

    return forward


def _train_with(part: nn.Module, training: Callable[..., Any]) -> None:
    """Have `part` compute by `training` where there will be a backward pass."""
    plain = part.forward

    def forward(*inputs: Any, **named: Any) -> Any:
        return (training if torch.is_grad_enabled() else plain)(*inputs, **named)

    part.forward = forward


@contextmanager
def _norms_at_rest(norms: Iterable[_NormBase]) -> Iterator[None]:
    """Norm layers do not move their statistics: the first pass has moved them already."""
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Not by `track_running_stats`, without which they keep fewer tensors for backward.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, num_batches in kept:
            norm.momentum, norm.num_batches_tracked = momentum, num_batches


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


def explain_recompute_error(error: Exception) -> ModelError | None:
    """A sentence for activations that could not be computed again; None for any other error."""
    text = str(error).strip()
    if "inplace operation" not in text and not text.startswith("torch.utils.checkpoint"):
        return None
    first_line = text.partition("\n")[0].partition(":")[0 if "inplace" in text else 2].strip()
    return ModelError(
        f"The activations of this model cannot be computed again: {first_line.rstrip('.')}.",
        "Leave --activation-checkpointing out.",
    )


def explain_compile_error(error: Exception) -> ModelError | None:
    """A sentence for an error that torch.compile raised; None for any other error."""
    from torch._dynamo.exc import TorchDynamoException

    if not isinstance(error, TorchDynamoException):
        return None
    cause = getattr(error, "inner_exception", error)
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return ModelError(f"torch.compile failed: {first_line.rstrip('.')}.", "Leave --compile out.")
