"""Samples picked by number from arrays, in memory or mapped from a file."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tui_trainer.data.mapped import MappedArray
from tui_trainer.data.prepared import Inputs
from tui_trainer.data.split import Indices
from tui_trainer.data.texts import Texts


class StoredSamples(Dataset[Tensor]):
    """The samples of `inputs` (N first), by their numbers; it can be sent to other processes."""

    def __init__(self, inputs: Inputs) -> None:
        self.shape = inputs.shape[1:]
        self._mapped = MappedArray(inputs)

    def __getitem__(self, numbers_B: Indices) -> Tensor:
        """A copy of the chosen samples, in the order of `numbers_B` and as stored.

        Raises:
            OSError: the file is gone or was changed.
        """
        array = self._mapped.open()
        chosen = np.empty((len(numbers_B), *self.shape), array.dtype)
        # With "raise" numpy fills a buffer of its own first; the numbers are known to be good.
        np.take(array, numbers_B, axis=0, out=chosen, mode="clip")
        return torch.from_numpy(chosen)


class StoredTexts(Dataset[Tensor]):
    """Texts in batches of `batch_size`, by their numbers; it can be sent to other processes."""

    def __init__(self, texts: Texts, batch_size: int) -> None:
        self._texts = texts
        self._batch_size = batch_size

    def __getitem__(self, numbers_C: Indices) -> Tensor:
        """The batches of the chosen texts, int32, one after the other in one dimension.

        Each is B×L, padded to the length L of its longest: what widths they have is known to
        whoever knows the lengths, and what is padded for others would be moved for nothing.

        Raises:
            OSError: a file is gone or was changed.
        """
        starts = range(0, len(numbers_C), self._batch_size)
        batches = [self._texts[numbers_C[start : start + self._batch_size]] for start in starts]
        return torch.from_numpy(np.concatenate([batch_BL.ravel() for batch_BL in batches]))
