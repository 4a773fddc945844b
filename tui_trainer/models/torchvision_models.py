"""Any classification model of torchvision, its stem and head fitted to the data.

torchvision takes a second to import: it is imported only when one of its models is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tui_trainer.core.catalog import TORCHVISION
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ModelError

# Below this side, networks made for 224×224 throw away most of an image in their first layers.
SMALL_SIDE = 64
_LARGEST_TRIED_SIDE = 512
# The families whose weights know the size of the images, by the module of torchvision.
_FIXED_SIZES = {
    "vision_transformer": "square images whose side is a multiple of {patch}",
    "maxvit": "images of 224×224 or a multiple of it",
}

Builder = Callable[..., nn.Module]


def build_torchvision(name: str, spec: DatasetSpec, *, pretrained: bool) -> nn.Module:
    """The model `torchvision:NAME` for a dataset; with `pretrained`, from torchvision's weights.

    The head has as many outputs as the data have classes or targets, auxiliary heads are left out.
    The first convolution takes the data's channels. Where the shorter side is below 64, networks
    that shrink images at once get a stem as is usual for CIFAR: 3×3 of stride 1, no pooling.

    Raises:
        ModelError: there is no such model, it cannot take such images, or its trained weights
            cannot be had.
    """
    builder = find_builder(name)
    fixed_size = _FIXED_SIZES.get(family_of(builder), "").format(patch=name.rsplit("_", 1)[-1])
    try:
        model = _assemble(builder, spec)
    except (AssertionError, ValueError) as error:
        if not fixed_size:
            raise
        raise _misfit(name, spec, fixed_size) from error
    if not _takes(model, spec.shape):
        raise _misfit(name, spec, fixed_size or _least_size(model, spec))
    if pretrained:
        from tui_trainer.models.torchvision_weights import load_trained

        load_trained(model, name, min(spec.shape[1:]))
    return model


def find_builder(name: str) -> Builder:
    """The function that builds `torchvision:NAME`.

    Raises:
        ModelError: torchvision has no classification model of that name.
    """
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    short = name.removeprefix(TORCHVISION)
    if short not in names:
        hint = hint_for(name, [TORCHVISION + known for known in names])
        raise ModelError(f"torchvision has no model {short!r} for classification.", hint)
    builder: Builder = torchvision.models.get_model_builder(short)
    return builder


def family_of(builder: Builder) -> str:
    """The module of torchvision that a builder is from: `resnet`, `vision_transformer` …"""
    module: str = builder.__module__
    return module.rsplit(".", 1)[-1]


def stem_of(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """The first convolution, by name; every model of torchvision begins with one."""
    return next((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))


def head_of(model: nn.Module) -> str:
    """The name of the layer that gives the logits: the last linear or convolutional one."""
    names: list[str] = [
        name for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)
    ]
    return names[-1]


def _assemble(builder: Builder, spec: DatasetSpec) -> nn.Module:
    """The model for the images of a dataset, its weights drawn."""
    channels, height, width = spec.shape
    options: dict[str, Any] = {}
    match family_of(builder):
        case "vision_transformer":
            options = {"image_size": height}
        case "maxvit":
            options = {"input_size": (height, width)}
        case "googlenet" | "inception":
            options = {"aux_logits": False, "init_weights": True, "transform_input": False}
    model = builder(weights=None, num_classes=spec.num_outputs, **options)
    if min(height, width) < SMALL_SIDE:
        _shrink_stem(model)
    _fit_channels(model, channels)
    return model


def _shrink_stem(model: nn.Module) -> None:
    """Let a network for 224×224 see all of a small image: 3×3 of stride 1, then no pooling.

    Nothing changes in stems that cut the image into patches, or that have no padding.
    """
    name, stem = stem_of(model)
    if (stem.kernel_size, stem.stride) not in {((7, 7), (2, 2)), ((3, 3), (2, 2))}:
        return
    if stem.padding == (0, 0):
        return
    small = nn.Conv2d(stem.in_channels, stem.out_channels, 3, padding=1, bias=stem.bias is not None)
    # The law of the larger kernel keeps the size of the responses with this many inputs.
    _draw_like(small.weight, stem.weight)
    model.set_submodule(name, small)
    for pool in ("maxpool", "maxpool1", "features.pool0"):
        if any(n == pool and isinstance(m, nn.MaxPool2d) for n, m in model.named_modules()):
            model.set_submodule(pool, nn.Identity())


def _fit_channels(model: nn.Module, channels: int) -> None:
    name, stem = stem_of(model)
    if channels == stem.in_channels:
        return
    fitted = nn.Conv2d(
        channels,
        stem.out_channels,
        stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    _draw_like(fitted.weight, stem.weight)
    if fitted.bias is not None and stem.bias is not None:
        fitted.bias.data.copy_(stem.bias.data)
    model.set_submodule(name, fitted)


def _draw_like(weight: Tensor, model_weight: Tensor) -> None:
    """Draw `weight` (O×I×H×W) so that responses are as large as with `model_weight` drawn."""
    more_inputs = model_weight[0].numel() / weight[0].numel()
    std = float(model_weight.detach().std())
    nn.init.normal_(weight, std=std * math.sqrt(more_inputs))


def _takes(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether images of `shape` go through the network, tried on shapes alone."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    try:
        torch.func.functional_call(model, shapes, (torch.empty(2, *shape, device="meta"),))
    # How a network says that it runs out of image: each in its own way.
    except (RuntimeError, ValueError, AssertionError):
        return False
    return True


def _misfit(name: str, spec: DatasetSpec, needed: str) -> ModelError:
    _, height, width = spec.shape
    return ModelError(
        f"{name} takes {needed}, and {spec.name} has {height}×{width}.",
        "Choose another model: convnet and resnet-small take small images.",
    )


def _least_size(model: nn.Module, spec: DatasetSpec) -> str:
    """The smallest square that goes through, by bisection, in words."""
    channels, *size = spec.shape
    too_small, fits = min(size), _LARGEST_TRIED_SIDE
    if not _takes(model, (channels, fits, fits)):
        return "images of another size"
    while fits - too_small > 1:
        side = (too_small + fits) // 2
        if _takes(model, (channels, side, side)):
            fits = side
        else:
            too_small = side
    return f"images of {fits}×{fits} at least"
