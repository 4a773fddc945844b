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
        # Whether a batch may weigh nothing, so that its mean would be 0 / 0.
        is_ignoring = config.ignore_index != LossConfig().ignore_index
        self._may_weigh_nothing = is_ignoring or (
            weights_K is not None and not bool(weights_K.all())
        )

    def weigh(self, labels_B: Tensor) -> Tensor | float:
        """The sum of the labels' class weights, those left out not counted."""
        kept_B = labels_B != self.ignore_index
        if self._weights_K is None:
            return kept_B.sum()
        return (self._weights_K[labels_B.where(kept_B, 0)] * kept_B).sum()

    def __call__(self, logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        """The weighted mean over a batch; 0 where every label is left out."""
        if self._may_weigh_nothing:
            return self.of_part(logits_BK, labels_B, self.weigh(labels_B))
        return self._reduce(logits_BK, labels_B, "mean")

    def of_part(self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float) -> Tensor:
        """What a part adds to the weighted mean over a batch of `weight`."""
        if self._may_weigh_nothing:
            # 0 / 1 in place of 0 / 0, whose gradient would not be a number either.
            weight = weight + (weight == 0)
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
        """What the function says of a batch, in float32; it may change its input in place."""
        return self._function(logits_BK.clone(), labels_B).float()

    def of_part(self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float) -> Tensor:
        """The function's value of a part, by its share of the batch."""
        return self(logits_BK, labels_B) * (len(labels_B) / weight)


def build_loss(
    config: LossConfig,
    labels_N: npt.NDArray[np.int64],
    num_classes: int,
    device: torch.device,
    function: UserFunction | None = None,
) -> Loss:
    """The loss to train with; `labels_N` are those trained on, `function` the user's own if any.

    Raises:
        ConfigError: the class weights do not fit the classes, no label counts, or a setting is for
            another loss.
    """
    if (labels_N == config.ignore_index).all():
        raise ConfigError(
            f"loss.ignore_index is {config.ignore_index}, which is the label of every sample.",
            "Ignore another label, or none.",
        )
    if function is not None:
        _check_unused(config)
        return UserLoss(function, config.ignore_index)
    weights_K = choose_class_weights(config, labels_N, num_classes)
    return CrossEntropy(config, None if weights_K is None else weights_K.to(device))


def _check_unused(config: LossConfig) -> None:
    for name in ("label_smoothing", "class_weights"):
        if getattr(config, name):
            default = getattr(LossConfig(), name)
            raise ConfigError(
                f"loss.{name} is for cross-entropy, but loss.name is {config.name}.",
                f"Set loss.{name} to {default!r}, and let the loss do it by itself.",
            )


def choose_class_weights(
    config: LossConfig, labels_N: npt.NDArray[np.int64], num_classes: int
) -> Tensor | None:
    """The weight of each class, float32 K, or None where all weigh the same.

    `balanced` weighs a class by the inverse of its share, so that the mean weight is 1. The
    class that is ignored, if it is one of them, has no part in it.

    Raises:
        ConfigError: there are too many or too few weights, or they are not positive.
    """
    text = config.class_weights
    if not text:
        return None
    if text == "balanced":
        return _balance(labels_N[labels_N != config.ignore_index], num_classes, config.ignore_index)
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


def _balance(labels_N: npt.NDArray[np.int64], num_classes: int, ignore_index: int) -> Tensor:
    """Weights K that make up for the numbers of labels; 0 for the ignored class."""
    counts_K = np.bincount(labels_N, minlength=num_classes)
    counted_K = np.arange(num_classes) != ignore_index
    missing = np.flatnonzero((counts_K == 0) & counted_K)
    if len(missing):
        raise ConfigError(
            f"Class {missing[0]} has no sample to balance its weight by.",
            "Give the weights as numbers: --class-weights 1,2,…",
        )
    weights_K = np.zeros(num_classes)
    weights_K[counted_K] = len(labels_N) / (counted_K.sum() * counts_K[counted_K])
    return torch.tensor(weights_K, dtype=torch.float32)
