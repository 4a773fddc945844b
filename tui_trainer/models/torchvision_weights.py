"""The trained weights of torchvision's models, fitted to a model whose stem and head are other."""

from __future__ import annotations

import pickle
import re
import socket
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tui_trainer.core.catalog import TORCHVISION
from tui_trainer.errors import ModelError
from tui_trainer.models.torchvision_models import head_of, stem_of

_CONNECT_TIMEOUT_S = 15.0
# Weights published before module names could not hold dots.
_OLD_DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

State = dict[str, Tensor]


def load_trained(model: nn.Module, name: str, side: int) -> None:
    """Load torchvision's default weights into `model`, all but those of its head.

    A stem of n channels gets the sum of the trained stem's channels over n, so that a grey image
    repeated n times has the response it had; one of a smaller kernel gets the kernel's middle. A
    vision transformer's positions are interpolated to the images' `side`.

    Raises:
        ModelError: there are no trained weights, or they cannot be downloaded.
    """
    state = _download(name)
    for key in list(state):
        renamed = _OLD_DENSENET_KEY.sub(r"\1\2", key)
        if renamed != key:
            state[renamed] = state.pop(key)
    stem, head = stem_of(model), head_of(model)
    weight = f"{stem[0]}.weight"
    state[weight] = _fit_stem(state[weight], stem[1].weight)
    if "encoder.pos_embedding" in state:
        from torchvision.models.vision_transformer import interpolate_embeddings

        state = interpolate_embeddings(side, stem[1].kernel_size[0], state)
    for key in list(state):
        # The heads for other classes: the main one and, in some models, auxiliary ones.
        if key.startswith((f"{head}.", "aux", "AuxLogits.")):
            del state[key]
    result = model.load_state_dict(state, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    assert all(key.startswith(f"{head}.") for key in result.missing_keys), result.missing_keys


def _fit_stem(trained_OIHW: Tensor, own_OIHW: Tensor) -> Tensor:
    """The trained first convolution in the shape of the model's own."""
    channels, *kernel = own_OIHW.shape[1:]
    for dim, size in zip((2, 3), kernel, strict=True):
        start = (trained_OIHW.shape[dim] - size) // 2
        trained_OIHW = trained_OIHW.narrow(dim, start, size)
    if trained_OIHW.shape[1] == channels:
        return trained_OIHW
    summed_O1HW = trained_OIHW.sum(1, keepdim=True)
    return summed_O1HW.expand(-1, channels, -1, -1) / channels


def _download(name: str) -> State:
    import torchvision

    weights: Any = getattr(
        torchvision.models.get_model_weights(name.removeprefix(TORCHVISION)), "DEFAULT", None
    )
    if weights is None:
        raise ModelError(
            f"torchvision has no trained weights for {name}.", "Leave --pretrained out."
        )
    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_TIMEOUT_S)
    try:
        state: State = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
        return state
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        # urllib wraps what went wrong into an error of its own.
        reason = str(getattr(error, "reason", error)).partition("\n")[0].rstrip(".")
        raise ModelError(
            f"The trained weights of {name} cannot be had: {reason}.",
            f"Put the file {weights.url} into {folder}, "
            "or begin with weights you have: --init-from FILE.",
        ) from error
    finally:
        socket.setdefaulttimeout(before_s)
