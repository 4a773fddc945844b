"""In which order an epoch takes its samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tui_trainer.core.randomness import mix_seed

_BATCHES, _BALANCE = 0x62617463, 0x62616C61

# So many batches are sorted by length at a time: enough that the texts of a batch are about as
# long as each other, few enough that who is with whom differs from epoch to epoch.
_STRETCH = 50


@dataclass(frozen=True)
class EpochOrder:
    """What an epoch takes, int64 on the host: places among the chosen samples.

    `repeats_N` tells of each how often the epoch has taken that sample before; None is never.
    """

    places_N: Tensor
    repeats_N: Tensor | None = None

    def take(self, part: slice | Tensor) -> EpochOrder:
        """Some of it, or the whole in another order."""
        repeats_N = self.repeats_N
        return EpochOrder(self.places_N[part], None if repeats_N is None else repeats_N[part])


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation of `count` samples, int64 on the host, from (seed, epoch) alone."""
    generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
    return torch.randperm(count, generator=generator)


def balanced_order(labels_N: Tensor, seed: int, epoch: int) -> EpochOrder:
    """As many samples as there are, as many of each class there is as of any other, or one more.

    A class that has too few is gone through several times, each time in an order of its own; one
    that has too many gives others in each epoch. A function of the arguments alone.
    """
    classes = torch.unique(labels_N).tolist()
    share, num_left = divmod(len(labels_N), len(classes))
    with_one_more = epoch_order(len(classes), mix_seed(seed, _BALANCE), epoch)[:num_left].tolist()
    places, repeats = [], []
    for number, label in enumerate(classes):
        members = (labels_N == label).nonzero().view(-1)
        wanted = share + (number in with_one_more)
        num_rounds = -(-wanted // len(members))
        rounds = [
            members[epoch_order(len(members), mix_seed(seed, _BALANCE, label, turn), epoch)]
            for turn in range(num_rounds)
        ]
        places.append(torch.cat(rounds)[:wanted])
        repeats.append(torch.arange(num_rounds).repeat_interleave(len(members))[:wanted])
    every = EpochOrder(torch.cat(places), torch.cat(repeats))
    return every.take(epoch_order(len(labels_N), seed, epoch))


def bucketed(
    order: EpochOrder, lengths_N: Tensor, batch_size: int, seed: int, epoch: int
) -> EpochOrder:
    """An epoch of texts in batches of texts of about the same length.

    `order` is cut into stretches of batches, each stretch sorted by length and cut into its
    batches, and these are shuffled. What is left for a smaller batch at the end of an epoch is as
    `order` has it: of any length. A function of the arguments alone.

    Source of the method: Khomenko et al., "Accelerating recurrent neural network training using
    sequence bucketing and multi-GPU data parallelization", DSMP 2016.
    """
    every_N = torch.arange(len(order.places_N))
    num_whole = len(every_N) // batch_size
    whole, rest = every_N[: num_whole * batch_size], every_N[num_whole * batch_size :]
    stretches = [
        stretch[lengths_N[order.places_N[stretch]].argsort(stable=True)]
        for stretch in torch.split(whole, _STRETCH * batch_size)
    ]
    batches_MB = torch.cat(stretches).view(num_whole, batch_size)
    shuffled_M = epoch_order(num_whole, mix_seed(seed, _BATCHES), epoch)
    return order.take(torch.cat([batches_MB[shuffled_M].view(-1), rest]))
