"""How much each class counts in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tui_trainer.core.config.loss import LossConfig
from tui_trainer.errors import ConfigError


def choose_class_weights(
    config: LossConfig, labels_N: npt.NDArray[np.int64], num_classes: int
) -> Tensor | None:
    """The weight of each class, float32 K, or None where all weigh the same.

    `balanced` weighs a class by the inverse of its share, so that the mean weight is 1. The
    class that is ignored, if it is one of them, has no part in it.

    Raises:
        ConfigError: there are too many or too few weights, or they are not positive.
    """
    if config.class_weights != "balanced":
        return _parse_weights(config.class_weights, num_classes)
    ignored = config.ignore_index
    labels_N = labels_N[labels_N != ignored]
    counts_K = np.bincount(labels_N, minlength=num_classes)
    counted_K = np.arange(num_classes) != ignored
    missing = np.flatnonzero((counts_K == 0) & counted_K)
    if len(missing):
        raise _cannot_balance(f"Class {missing[0]} has no sample")
    weights_K = np.zeros(num_classes)
    weights_K[counted_K] = len(labels_N) / (counted_K.sum() * counts_K[counted_K])
    return torch.tensor(weights_K, dtype=torch.float32)


def choose_positive_weights(config: LossConfig, labels_NK: npt.NDArray[Any]) -> Tensor | None:
    """What a sample that has a label weighs beside one that has it not, float32 K, or None.

    `balanced` lets the samples that have a label weigh as much together as those that have not.

    Raises:
        ConfigError: there are too many or too few weights, they are not positive, or a label that
            all samples have, or none, cannot be balanced.
    """
    count, num_classes = labels_NK.shape
    if config.class_weights != "balanced":
        return _parse_weights(config.class_weights, num_classes)
    positive_K = labels_NK.sum(axis=0, dtype=np.int64)
    for number, quantity in ((0, "no sample"), (count, "every sample")):
        found = np.flatnonzero(positive_K == number)
        if len(found):
            raise _cannot_balance(f"Class {found[0]} has {quantity}")
    return torch.tensor((count - positive_K) / positive_K, dtype=torch.float32)


def _parse_weights(text: str, num_classes: int) -> Tensor | None:
    """The weights that were given as numbers; None of an empty text."""
    if not text:
        return None
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


def _cannot_balance(what: str) -> ConfigError:
    return ConfigError(
        f"{what} to balance its weight by.", "Give the weights as numbers: --class-weights 1,2,…"
    )
