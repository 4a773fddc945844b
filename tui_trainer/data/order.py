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


@dataclass(frozen=True)
class ClassMembers:
    """Which samples are of which class: their places by class, and how many each of K has."""

    places_N: Tensor
    counts_K: Tensor

    @classmethod
    def of(cls, labels_N: Tensor) -> ClassMembers:
        """The members of the classes that there are, int64 on the host as the labels."""
        _, counts_K = torch.unique(labels_N, return_counts=True)
        return cls(labels_N.argsort(stable=True), counts_K)


def balanced_order(members: ClassMembers, seed: int, epoch: int) -> EpochOrder:
    """As many samples as there are, as many of each class as of any other, or one more.

    A class that has too few is gone through several times, each time in an order of its own; one
    that has too many gives others in each epoch. A function of the arguments alone.
    """
    counts_K, num_samples = members.counts_K, len(members.places_N)
    share, num_left = divmod(num_samples, len(counts_K))
    wanted_K = torch.full_like(counts_K, share)
    wanted_K[epoch_order(len(counts_K), mix_seed(seed, _BALANCE), epoch)[:num_left]] += 1
    # Every sample of a class once in each of its rounds: C candidates, of which some are too many.
    rounds_K = -(-wanted_K // counts_K)
    class_C = torch.arange(len(counts_K)).repeat_interleave(rounds_K * counts_K)
    within_C = torch.arange(len(class_C)) - _starts(rounds_K * counts_K)[class_C]
    turn_C = within_C // counts_K[class_C]
    place_C = members.places_N[_starts(counts_K)[class_C] + within_C % counts_K[class_C]]
    # Sorted by class and round and, within one, by chance.
    chance_C = epoch_order(len(class_C), mix_seed(seed, _BALANCE, 1), epoch)
    shuffled_C = ((_starts(rounds_K)[class_C] + turn_C) * len(class_C) + chance_C).argsort()
    chosen_N = shuffled_C[within_C < wanted_K[class_C]]
    every = EpochOrder(place_C[chosen_N], turn_C[chosen_N])
    return every.take(epoch_order(num_samples, seed, epoch))


def _starts(counts_K: Tensor) -> Tensor:
    return counts_K.cumsum(0) - counts_K


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
