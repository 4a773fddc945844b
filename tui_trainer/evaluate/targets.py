"""Targets of a regression in their own units, and as a model gives them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from tui_trainer.core.specs import DatasetSpec


class TargetScale(nn.Module):
    """From what a model gives, targets of mean 0 and deviation 1, to targets in their units.

    Mean and deviation are those of the training samples; the deviation of a constant target
    counts as 1.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__()
        self.register_buffer("mean_T", torch.tensor(spec.label_mean, dtype=torch.float32))
        self.register_buffer("std_T", torch.tensor(spec.label_std, dtype=torch.float32))

    def forward(self, outputs_BT: Tensor) -> Tensor:
        """Predictions B×T in the targets' own units, of a model's outputs B×T."""
        return outputs_BT * cast(Tensor, self.std_T) + cast(Tensor, self.mean_T)

    def standardize(self, targets_BT: Tensor) -> Tensor:
        """What a model that knew the targets B×T would give."""
        return (targets_BT - cast(Tensor, self.mean_T)) / cast(Tensor, self.std_T)


def make_scale(spec: DatasetSpec) -> TargetScale | None:
    """The scale of a regression's targets; None where the labels are no numbers to predict."""
    return TargetScale(spec) if spec.task == "regression" else None
