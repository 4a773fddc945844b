"""The loss of a batch, whole or in parts.

Shapes: B samples, K classes, T targets. Labels are int64 B, or float32 B×K of 0 and 1 where a
sample may have several, or float32 B×T of targets in their own units.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.tasks import choose_loss
from tui_trainer.errors import ConfigError
from tui_trainer.evaluate.class_weights import choose_class_weights, choose_positive_weights
from tui_trainer.evaluate.targets import TargetScale, make_scale

UserFunction = Callable[[Tensor, Tensor], Tensor]
"""`f(logits_BK, labels)`, a scalar: the mean over the batch.

In a regression it is given predictions B×T in the targets' own units in place of logits.
"""

# Of how far each prediction B×T is from its target, both standardised.
REGRESSION_LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "huber": F.huber_loss,
    "mae": F.l1_loss,
}


class Loss(Protocol):
    """A mean over a batch that can be put together from parts of the batch."""

    ignore_index: int

    def weigh(self, labels: Tensor, /) -> Tensor | float:
        """What these labels weigh in the mean."""

    def __call__(self, outputs: Tensor, labels: Tensor, /) -> Tensor:
        """The mean over a whole batch, a scalar, of what the model gave for it."""

    def of_part(self, outputs: Tensor, labels: Tensor, weight: Tensor | float, /) -> Tensor:
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


class MeanOverOutputs:
    """The mean over samples and outputs of one of torch's losses that takes them one by one."""

    ignore_index = LossConfig().ignore_index

    def __init__(self, function: Callable[..., Tensor], wanted: Callable[[Tensor], Tensor]) -> None:
        """`wanted` tells of labels what the model should give for them."""
        self._function = function
        self._wanted = wanted

    def weigh(self, labels: Tensor) -> float:
        """The number of samples."""
        return float(len(labels))

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The mean over a batch."""
        return self._function(outputs, self._wanted(labels))

    def of_part(self, outputs: Tensor, labels: Tensor, weight: Tensor | float) -> Tensor:
        """What a part adds to the mean over a batch of `weight` samples."""
        total = self._function(outputs, self._wanted(labels), reduction="sum")
        return total / (weight * outputs.shape[1])


class UserLoss:
    """A user's function: the mean of parts, each counted by its samples."""

    def __init__(
        self, function: UserFunction, ignore_index: int, scale: TargetScale | None = None
    ) -> None:
        self.ignore_index = ignore_index
        self._function = function
        self._scale = scale

    def weigh(self, labels: Tensor) -> float:
        """The number of labels."""
        return float(len(labels))

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What the function says of a batch, in float32; it may change its input in place."""
        own = outputs.clone() if self._scale is None else self._scale(outputs)
        return self._function(own, labels).float()

    def of_part(self, outputs: Tensor, labels: Tensor, weight: Tensor | float) -> Tensor:
        """The function's value of a part, by its share of the batch."""
        return self(outputs, labels) * (len(labels) / weight)


def build_loss(
    config: LossConfig,
    labels: npt.NDArray[Any],
    spec: DatasetSpec,
    device: torch.device,
    function: UserFunction | None = None,
) -> Loss:
    """The loss to train with; `labels` are those trained on, `function` the user's own if any.

    Raises:
        ConfigError: the loss is for other labels, the class weights do not fit the classes, no
            label counts, or a setting is for another loss.
    """
    name = choose_loss(config, spec)
    if spec.task == "classification" and (labels == config.ignore_index).all():
        raise ConfigError(
            f"loss.ignore_index is {config.ignore_index}, which is the label of every sample.",
            "Ignore another label, or none.",
        )
    scale = make_scale(spec)
    if scale is not None:
        scale.to(device)
    if function is not None:
        return UserLoss(function, config.ignore_index, scale)
    if scale is not None:
        return MeanOverOutputs(REGRESSION_LOSSES[name], scale.standardize)
    if spec.task == "multilabel":
        return _binary_cross_entropy(config, labels, device)
    weights_K = choose_class_weights(config, labels, len(spec.classes))
    return CrossEntropy(config, None if weights_K is None else weights_K.to(device))


def _binary_cross_entropy(
    config: LossConfig, labels_NK: npt.NDArray[np.uint8], device: torch.device
) -> Loss:
    """Binary cross-entropy of each class, whose positive samples may weigh more than the others.

    Label smoothing moves 0 and 1 towards a half by half its share.
    """
    weights_K = choose_positive_weights(config, labels_NK)
    function = functools.partial(
        F.binary_cross_entropy_with_logits,
        pos_weight=None if weights_K is None else weights_K.to(device),
    )
    share = config.label_smoothing

    def smooth(labels_BK: Tensor) -> Tensor:
        return labels_BK * (1 - share) + share / 2 if share else labels_BK

    return MeanOverOutputs(function, smooth)
