"""Batches of a dataset that is kept whole on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.prepared import Images, Labels

EVALUATION_BATCH_SIZE = 1000


class DeviceBatches:
    """Images (uint8) and labels on the device, served as normalised batches."""

    def __init__(
        self,
        spec: DatasetSpec,
        images: Images,
        labels: Labels,
        *,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.batch_size = batch_size
        self.device = device
        # Arrays mapped read-only from files are copied; those picked out of them are not again.
        self._images_NCHW = torch.from_numpy(np.require(images, requirements="W")).to(device)
        self._labels_N = torch.from_numpy(np.require(labels, requirements="W")).to(device)
        self._normalize = Normalize(spec.mean, spec.std).to(device)

    def __len__(self) -> int:
        return len(self._labels_N)

    @property
    def num_batches(self) -> int:
        """Batches in an epoch, the last one perhaps smaller."""
        return -(-len(self) // self.batch_size)

    def shuffled(self, seed: int, epoch: int, *, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from batch `first` on: images B×C×H×W float32, labels B.

        The order depends on (seed, epoch) alone.
        """
        generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
        order_N = torch.randperm(len(self), generator=generator).to(self.device)
        for start in range(first * self.batch_size, len(self), self.batch_size):
            chosen_B = order_N[start : start + self.batch_size]
            yield self._normalize(self._images_NCHW[chosen_B]), self._labels_N[chosen_B]

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, as stored: images B×C×H×W float32, labels B."""
        for start in range(0, len(self), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self._normalize(self._images_NCHW[part]), self._labels_N[part]
