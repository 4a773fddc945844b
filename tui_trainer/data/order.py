"""In which order an epoch takes its samples."""

from __future__ import annotations

import torch
from torch import Tensor

from tui_trainer.core.randomness import mix_seed


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` samples, int64 on the host, from (seed, epoch) alone."""
    generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
    return torch.randperm(count, generator=generator)
