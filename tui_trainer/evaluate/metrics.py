"""Judging a model on samples it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Judgement:
    """What a model said of each sample, on the host, in the order of the data."""

    labels_N: npt.NDArray[np.int64]
    predicted_N: npt.NDArray[np.int64]
    loss_N: npt.NDArray[np.float32]
    confidence_N: npt.NDArray[np.float32]

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(self.loss_N.mean(dtype=np.float64))

    @property
    def accuracy(self) -> float:
        """Share of samples classified rightly."""
        return float((self.labels_N == self.predicted_N).mean())

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that events carry."""
        return {"loss": self.loss, "accuracy": self.accuracy}


def judge(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Judgement:
    """Run `model` over batches (B×C×H×W, B) in evaluation mode; its mode is put back after."""
    was_training = model.training
    model.eval()
    labels, predicted, losses, confidences = [], [], [], []
    with torch.inference_mode():
        for x_BCHW, labels_B in batches:
            logits_BK = model(x_BCHW).float()
            losses.append(F.cross_entropy(logits_BK, labels_B, reduction="none"))
            confidence_B, predicted_B = logits_BK.softmax(1).max(1)
            labels.append(labels_B)
            predicted.append(predicted_B)
            confidences.append(confidence_B)
    model.train(was_training)
    # The first sync point: everything above only queued work on the device.
    return Judgement(
        labels_N=torch.cat(labels).cpu().numpy(),
        predicted_N=torch.cat(predicted).cpu().numpy(),
        loss_N=torch.cat(losses).cpu().numpy(),
        confidence_N=torch.cat(confidences).cpu().numpy(),
    )
