"""Stored values to what a network is fed."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Stored inputs to what a network takes.

    uint8 images B×C×H×W (per channel) and float32 rows of a table B×F (per feature) become
    float32 of mean 0 and deviation 1. Tokens B×L, of which there is no mean, become int64.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("shift_C", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale_C", 1.0 / torch.tensor(std, dtype=torch.float32))

    def forward(self, stored: Tensor) -> Tensor:
        """Normalise a batch, whose second dimension is that of the channels or features."""
        shift_C, scale_C = cast(Tensor, self.shift_C), cast(Tensor, self.scale_C)
        if not len(shift_C):
            return stored.to(torch.int64)
        shape = (-1, *[1] * (stored.dim() - 2))
        return (stored.to(torch.float32) - shift_C.view(shape)) * scale_C.view(shape)

    def fresh(self, stored: Tensor) -> Tensor:
        """As `forward`, to the bit, with less memory: the arithmetic is done in place.

        For the images of a batch, which are unrolled so that each pass is one long loop; the
        result shares no memory with `stored`.
        """
        shift_C, scale_C = cast(Tensor, self.shift_C), cast(Tensor, self.scale_C)
        if stored.dtype != torch.uint8:
            return self.forward(stored)
        shape = (len(stored), len(shift_C), -1)
        x_BCP = stored.view(shape).to(torch.float32)
        x_BCP.sub_(shift_C.view(-1, 1)).mul_(scale_C.view(-1, 1))
        return x_BCP.view(stored.shape)
