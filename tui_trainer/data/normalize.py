"""Stored pixels to what a network is fed."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """uint8 images B×C×H×W to float32 of mean 0 and deviation 1 per channel."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("shift_C11", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("scale_C11", 1.0 / torch.tensor(std).view(-1, 1, 1))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Normalise a batch."""
        shift_C11, scale_C11 = cast(Tensor, self.shift_C11), cast(Tensor, self.scale_C11)
        return (images_BCHW.to(torch.float32) - shift_C11) * scale_C11
