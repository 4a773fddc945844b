"""In which order an epoch takes its samples."""

from __future__ import annotations

import torch
from torch import Tensor

from tui_trainer.core.randomness import mix_seed

_BATCHES = 0x62617463

# So many batches are sorted by length at a time: enough that the texts of a batch are about as
# long as each other, few enough that who is with whom differs from epoch to epoch.
_STRETCH = 50


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` samples, int64 on the host, from (seed, epoch) alone."""
    generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
    return torch.randperm(count, generator=generator)


def bucketed_order(lengths_N: Tensor, batch_size: int, seed: int, epoch: int) -> Tensor:
    """A permutation of texts whose batches hold texts of about the same length.

    `epoch_order` is cut into stretches of batches, each stretch sorted by length and cut into its
    batches, and these are shuffled. What is left for a smaller batch at the end of an epoch is as
    `epoch_order` has it: of any length. int64 on the host, a function of the arguments alone.

    Source of the method: Khomenko et al., "Accelerating recurrent neural network training using
    sequence bucketing and multi-GPU data parallelization", DSMP 2016.
    """
    order_N = epoch_order(len(lengths_N), seed, epoch)
    num_whole = len(order_N) // batch_size
    whole, rest = order_N[: num_whole * batch_size], order_N[num_whole * batch_size :]
    stretches = [
        stretch[lengths_N[stretch].argsort(stable=True)]
        for stretch in torch.split(whole, _STRETCH * batch_size)
    ]
    batches_MB = torch.cat(stretches).view(num_whole, batch_size)
    shuffled_M = epoch_order(num_whole, mix_seed(seed, _BATCHES), epoch)
    return torch.cat([batches_MB[shuffled_M].view(-1), rest])
