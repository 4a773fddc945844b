"""A loss or a metric of the user's own, tried before a run is paid for.

Shapes: B samples, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.errors import ConfigError
from tui_trainer.models.seeding import randomness_from
from tui_trainer.models.user_code import LoadedCode, explained

_TRIAL_BATCH_SIZE = 8


@dataclass(frozen=True)
class UserMetric:
    """A metric that answers with a number or says why it cannot."""

    name: str
    loaded: LoadedCode
    function: Callable[[Tensor, Tensor], Any]

    def __call__(self, logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        """The metric of samples: one number, wherever the function leaves it.

        Raises:
            ConfigError: it raises, or returns something other than a number.
        """
        title, path = self.loaded.title, self.loaded.path
        doing = f"on logits {list(logits_NK.shape)}"
        with torch.no_grad(), explained(title, path, doing, ConfigError):
            value = self.function(logits_NK, labels_N)
        if isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex():
            return value
        if isinstance(value, Real):
            return torch.tensor(float(value))
        raise ConfigError(
            f"The {title} returns {_describe(value)}; a metric must be one number.",
            "Return a float or a tensor without dimensions.",
        )


def build_user_loss(loaded: LoadedCode, num_classes: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The user's loss, `f(logits_BK, labels_B)`: the mean over a batch. A class is made first.

    It is tried on a small batch, its gradient too. A loss that is an `nn.Module` may hold
    buffers: the caller moves it to the device.

    Raises:
        ConfigError: it is no function, raises, holds parameters, or returns something other than
            a scalar with a gradient.
    """
    function = _make(loaded)
    if isinstance(function, torch.nn.Module) and any(True for _ in function.parameters()):
        raise ConfigError(
            f"The {loaded.title} holds parameters, and only those of the model are trained.",
            "Move them into the model, or make them buffers.",
        )
    leaf_BK, labels_B = _trial_batch(num_classes)
    with torch.enable_grad(), randomness_from(0):
        # Not the leaf itself: a loss may change its input in place, as it may in training.
        with explained(loaded.title, loaded.path, _doing(leaf_BK), ConfigError):
            value = function(leaf_BK.clone(), labels_B)
        _check_scalar(loaded, value)
        with explained(loaded.title, loaded.path, "when it is differentiated", ConfigError):
            value.backward()
    if leaf_BK.grad is None:
        raise ConfigError(
            f"The {loaded.title} does not depend on the logits.", "Compute it from them."
        )
    return function


def build_user_metric(loaded: LoadedCode, num_classes: int) -> UserMetric:
    """The user's metric, `f(logits_NK, labels_N)`. A class is made first. It is tried once.

    Raises:
        ConfigError: it is no function, raises, or returns something other than a number.
    """
    metric = UserMetric(parse_code_name(loaded.name).attribute, loaded, _make(loaded))
    leaf_BK, labels_B = _trial_batch(num_classes)
    with randomness_from(0):
        metric(leaf_BK.detach(), labels_B)
    return metric


def _make(loaded: LoadedCode) -> Callable[[Tensor, Tensor], Any]:
    function = loaded.object
    if isinstance(function, type):
        doing = "when it is made without arguments"
        with explained(loaded.title, loaded.path, doing, ConfigError):
            function = function()
    if not callable(function):
        raise ConfigError(
            f"The {loaded.title} is {_describe(function)}, not a function.",
            f"Name a function f(logits, labels) that returns the {loaded.role}.",
        )
    return function  # type: ignore[no-any-return]


def _trial_batch(num_classes: int) -> tuple[Tensor, Tensor]:
    """Positive rows that sum to one, fit for what takes logits and for what takes probabilities."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    shape = (_TRIAL_BATCH_SIZE, num_classes)
    logits_BK = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
    labels_B = torch.arange(_TRIAL_BATCH_SIZE, device="cpu") % num_classes
    return logits_BK.softmax(1).requires_grad_(), labels_B


def _doing(logits_BK: Tensor) -> str:
    return f"on logits {list(logits_BK.shape)} and labels [{len(logits_BK)}]"


def _check_scalar(loaded: LoadedCode, value: Any) -> None:
    if not isinstance(value, Tensor) or value.dim() != 0 or not value.is_floating_point():
        raise ConfigError(
            f"The {loaded.title} returns {_describe(value)}; a loss must be a scalar tensor.",
            "Take the mean over the batch: .mean().",
        )
    if not value.requires_grad:
        raise ConfigError(
            f"The {loaded.title} returns a number without a gradient.",
            "Leave detach(), no_grad(), item() and numpy out of it.",
        )


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return f"an object of type {type(value).__name__}"
