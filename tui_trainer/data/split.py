"""Which training samples are held out for validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.randomness import mix_seed

Indices = npt.NDArray[np.int64]


_VALIDATION, _SUBSET = 0x73706C69, 0x73756273


def split_for_validation(
    labels: npt.NDArray[Any], share: float, seed: int
) -> tuple[Indices, Indices]:
    """The samples a run trains on and those it holds out, from the run's seed alone."""
    return split_off(labels, share, mix_seed(seed, _VALIDATION))


def choose_subset(chosen_N: Indices, labels: npt.NDArray[Any], share: float, seed: int) -> Indices:
    """About `share` of the samples `chosen_N`, of each class if it can, from the run's seed alone.

    `labels` are those of the whole split. A class keeps at least one sample.
    """
    if share == 1:
        return chosen_N
    kept, _ = split_off(labels[chosen_N], 1 - share, mix_seed(seed, _SUBSET))
    return chosen_N[kept]


def split_off(labels: npt.NDArray[Any], share: float, seed: int) -> tuple[Indices, Indices]:
    """Split the samples in two, the second with about `share` of them, of each class if it can.

    Labels int64 N are classes; of others, several to a sample or numbers, any share is drawn.
    """
    if labels.ndim == 1 and labels.dtype == np.int64:
        return split_stratified(labels, share, seed)
    return split_stratified(np.zeros(len(labels), np.int64), share, seed)


def split_stratified(
    labels: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[Indices, Indices]:
    """Split the samples in two, the second with about `share` of every class.

    A function of its arguments alone. Both parts come back sorted; with `share` 0 the second is
    empty. A class keeps at least one sample in the first part.
    """
    held_out = []
    generator = np.random.Generator(np.random.Philox(key=seed))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(round(share * len(members)), len(members) - 1)
        held_out.append(generator.permutation(members)[:count])
    second = np.sort(np.concatenate(held_out)) if held_out else np.empty(0, np.int64)
    is_first_N = np.ones(len(labels), np.bool_)
    is_first_N[second] = False
    return np.flatnonzero(is_first_N), second
