"""A loss or a metric of the user's own, tried before a run is paid for.

Shapes: B or N samples, K classes, T targets. Both are called with what the model gives and the
labels: logits B×K with int64 B, or with float32 B×K of 0 and 1 where a sample may have several
labels; in a regression predictions B×T and targets B×T, both in the targets' own units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.specs import DatasetSpec
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

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The metric of samples: one number, wherever the function leaves it.

        Raises:
            ConfigError: it raises, or returns something other than a number.
        """
        title, path = self.loaded.title, self.loaded.path
        doing = f"on {_noun(labels)} {list(outputs.shape)}"
        with torch.no_grad(), explained(title, path, doing, ConfigError):
            value = self.function(outputs, labels)
        if isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex():
            return value
        if isinstance(value, Real):
            return torch.tensor(float(value))
        raise ConfigError(
            f"The {title} returns {_describe(value)}; a metric must be one number.",
            "Return a float or a tensor without dimensions.",
        )


def build_user_loss(loaded: LoadedCode, spec: DatasetSpec) -> Callable[[Tensor, Tensor], Tensor]:
    """The user's loss, `f(outputs, labels)`: the mean over a batch. A class is made first.

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
    leaf, labels = _trial_batch(spec)
    with torch.enable_grad(), randomness_from(0):
        # Not the leaf itself: a loss may change its input in place, as it may in training.
        with explained(loaded.title, loaded.path, _doing(leaf, labels), ConfigError):
            value = function(leaf.clone(), labels)
        _check_scalar(loaded, value)
        with explained(loaded.title, loaded.path, "when it is differentiated", ConfigError):
            value.backward()
    if leaf.grad is None:
        raise ConfigError(
            f"The {loaded.title} does not depend on the {_noun(labels)}.", "Compute it from them."
        )
    return function


def build_user_metric(loaded: LoadedCode, spec: DatasetSpec) -> UserMetric:
    """The user's metric, `f(outputs, labels)`. A class is made first. It is tried once.

    Raises:
        ConfigError: it is no function, raises, or returns something other than a number.
    """
    metric = UserMetric(parse_code_name(loaded.name).attribute, loaded, _make(loaded))
    leaf, labels = _trial_batch(spec)
    with randomness_from(0):
        metric(leaf.detach(), labels)
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


def _trial_batch(spec: DatasetSpec) -> tuple[Tensor, Tensor]:
    """What a model might give, and labels.

    Logits are positive and sum to one, fit for what takes them and for what takes probabilities.
    """
    generator = torch.Generator(device="cpu").manual_seed(0)
    shape = (_TRIAL_BATCH_SIZE, spec.num_outputs)
    noise = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
    places_B = torch.arange(_TRIAL_BATCH_SIZE, device="cpu")
    if spec.task == "regression":
        mean_T, std_T = (torch.tensor(values) for values in (spec.label_mean, spec.label_std))
        return (mean_T + std_T * noise).requires_grad_(), mean_T + std_T * noise.flip(0)
    if spec.task == "multilabel":
        columns_K = torch.arange(spec.num_outputs, device="cpu")
        labels_BK = ((places_B[:, None] >> columns_K % 3) % 2).float()
        return noise.sigmoid().requires_grad_(), labels_BK
    return noise.softmax(1).requires_grad_(), places_B % spec.num_outputs


def _doing(outputs: Tensor, labels: Tensor) -> str:
    return f"on {_noun(labels)} {list(outputs.shape)} and labels {list(labels.shape)}"


def _noun(labels: Tensor) -> str:
    return "outputs" if labels.is_floating_point() else "logits"


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
