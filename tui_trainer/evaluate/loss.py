"""The loss of a batch, whole or in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tui_trainer.core.config.loss import LossConfig
from tui_trainer.errors import ConfigError

UserFunction = Callable[[Tensor, Tensor], Tensor]
"""`f(logits_BK, labels_B)`, a scalar: the mean over the batch."""


class Loss(Protocol):
    """A mean over a batch that can be put together from parts of the batch."""

    ignore_index: int

    def weigh(self, labels_B: Tensor) -> Tensor | float:
        """What these labels weigh in the mean."""

    def __call__(self, logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        """The mean over a whole batch, a scalar."""

    def of_part(self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float) -> Tensor:
        """What a part adds to the mean over a batch of `weight`."""


class CrossEntropy:
    """Cross-entropy with label smoothing, class weights and a label that is left out."""

    def __init__(self, config: LossConfig, weights_K: Tensor | None = None) -> None:
        self.ignore_index = config.ignore_index
        self._label_smoothing = config.label_smoothing
        self._weights_K = weights_K

    def weigh(self, labels_B: Tensor) -> Tensor | float:
        """The sum of the labels' class weights, those left out not counted."""
        kept_B = labels_B != self.ignore_index
        if self._weights_K is None:
            return kept_B.sum()
        return (self._weights_K[labels_B.where(kept_B, 0)] * kept_B).sum()

    def __call__(self, logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        """The weighted mean over a batch; not a number where every label is left out."""
        return self._reduce(logits_BK, labels_B, "mean")

    def of_part(self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float) -> Tensor:
        """What a part adds to the weighted mean over a batch of `weight`."""
        return self._reduce(logits_BK, labels_B, "sum") / weight

    def _reduce(self, logits_BK: Tensor, labels_B: Tensor, reduction: str) -> Tensor:
        return F.cross_entropy(
            logits_BK,
            labels_B,
            weight=self._weights_K,
            ignore_index=self.ignore_index,
            reduction=reduction,
            label_smoothing=self._label_smoothing,
        )


class UserLoss:
    """A user's function: the mean of parts, each counted by its samples."""

    def __init__(self, function: UserFunction, ignore_index: int) -> None:
        self.ignore_index = ignore_index
        self._function = function

    def weigh(self, labels_B: Tensor) -> float:
        """The number of labels."""
        return float(len(labels_B))

    def __call__(self, logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        """What the function says of a batch."""
        return self._function(logits_BK, labels_B)

    def of_part(self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float) -> Tensor:
        """The function's value of a part, by its share of the batch."""
        return self._function(logits_BK, labels_B) * (len(labels_B) / weight)


def build_loss(
    config: LossConfig,
    labels_N: npt.NDArray[np.int64],
    num_classes: int,
    device: torch.device,
    function: UserFunction | None = None,
) -> Loss:
    """The loss to train with; `labels_N` are those trained on, `function` the user's own if any.

    Raises:
        ConfigError: the class weights do not fit the classes.
    """
    if function is not None:
        return UserLoss(function, config.ignore_index)
    weights_K = choose_class_weights(config, labels_N, num_classes)
    return CrossEntropy(config, None if weights_K is None else weights_K.to(device))


def choose_class_weights(
    config: LossConfig, labels_N: npt.NDArray[np.int64], num_classes: int
) -> Tensor | None:
    """The weight of each class, float32 K, or None where all weigh the same.

    `balanced` weighs a class by the inverse of its share, so that the mean weight is 1.

    Raises:
        ConfigError: there are too many or too few weights, or they are not positive.
    """
    text = config.class_weights
    if not text:
        return None
    if text == "balanced":
        counts_K = np.bincount(labels_N[labels_N != config.ignore_index], minlength=num_classes)
        if not counts_K.all():
            raise ConfigError(
                f"Class {int(np.argmin(counts_K))} has no sample to balance its weight by.",
                "Give the weights as numbers: --class-weights 1,2,…",
            )
        return torch.tensor(counts_K.sum() / (num_classes * counts_K), dtype=torch.float32)
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != num_classes or not all(0 <= w < float("inf") for w in weights):
        raise ConfigError(
            f"loss.class_weights is {text!r}, but there are {num_classes} classes.",
            f"Give {num_classes} numbers from 0 up, separated by commas, or balanced.",
        )
    if not any(weights):
        raise ConfigError("Every class weighs nothing.", "Give a class a weight above 0.")
    return torch.tensor(weights, dtype=torch.float32)
