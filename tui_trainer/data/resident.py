"""Samples kept whole on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tui_trainer.data.prepared import Inputs
from tui_trainer.data.split import Indices
from tui_trainer.data.stored import StoredSamples

_COPY_BYTES = 1 << 26


class ResidentSamples:
    """A copy of the chosen samples on the device, as stored."""

    def __init__(self, inputs: Inputs, indices: Indices | None, device: torch.device) -> None:
        stored = StoredSamples(inputs)
        count = len(inputs) if indices is None else len(indices)
        self._values_NE = _copy(stored, indices, count, device)
        self._shape = stored.shape

    def chunks(self, order_N: Tensor, device_order_N: Tensor, size: int) -> Iterator[Tensor]:
        """The samples in the given order, `size` at a time, on the device and as stored."""
        for chosen_B in torch.split(device_order_N, size):
            yield self._values_NE.index_select(0, chosen_B).view(-1, *self._shape)

    def close(self) -> None:
        """Nothing to end."""


def _copy(
    stored: StoredSamples, indices: Indices | None, count: int, device: torch.device
) -> Tensor:
    """The chosen samples on the device, N×elements; in pieces, so that no second whole is made."""
    num_elements = int(np.prod(stored.shape))
    step = max(1, _COPY_BYTES // (4 * num_elements))
    values_NE: Tensor | None = None
    for start in range(0, count, step):
        numbers = np.arange(start, min(start + step, count), dtype=np.int64)
        part = stored[numbers if indices is None else indices[numbers]]
        if values_NE is None:
            values_NE = torch.empty(count, num_elements, dtype=part.dtype, device=device)
        values_NE[start : start + step] = part.view(-1, num_elements)
    assert values_NE is not None
    return values_NE
