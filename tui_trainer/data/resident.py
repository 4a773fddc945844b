"""Samples kept whole on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tui_trainer.core.specs import PADDING_TOKEN
from tui_trainer.data.prepared import Inputs
from tui_trainer.data.split import Indices
from tui_trainer.data.stored import StoredSamples
from tui_trainer.data.texts import Texts

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


class ResidentTexts:
    """A copy of the chosen texts on the device, one after the other as they are stored."""

    def __init__(
        self, texts: Texts, indices: Indices | None, device: torch.device, batch_size: int
    ) -> None:
        self._batch_size = batch_size
        numbers_N = np.arange(len(texts)) if indices is None else indices
        # The host knows the lengths too: it need not ask the device how wide a batch becomes.
        lengths_N = torch.from_numpy(texts.lengths_N[numbers_N])
        self._widths_N = lengths_N.clamp(min=1)
        self._device_lengths_N = lengths_N.to(device)
        self._starts_N = self._device_lengths_N.cumsum(0) - self._device_lengths_N
        self._tokens = _copy_texts(texts, numbers_N, device)

    def chunks(self, order_N: Tensor, device_order_N: Tensor, size: int) -> Iterator[Tensor]:
        """The texts in the given order, `size` at a time, in batches as of `StoredTexts`."""
        for on_host_C, chosen_C in zip(
            torch.split(order_N, size), torch.split(device_order_N, size), strict=True
        ):
            widths = torch.split(self._widths_N[on_host_C], self._batch_size)
            parts = zip(torch.split(chosen_C, self._batch_size), widths, strict=True)
            yield torch.cat([self._pick(chosen_B, int(w_B.max())) for chosen_B, w_B in parts])

    def close(self) -> None:
        """Nothing to end."""

    def _pick(self, chosen_B: Tensor, width: int) -> Tensor:
        """The chosen texts B×L, L being `width`, in one dimension."""
        place_L = torch.arange(width, device=chosen_B.device)
        lengths_B1 = self._device_lengths_N.index_select(0, chosen_B).unsqueeze(1)
        source_BL = self._starts_N.index_select(0, chosen_B).unsqueeze(1) + place_L
        # The last token is one more, of padding.
        source_BL.masked_fill_(place_L >= lengths_B1, len(self._tokens) - 1)
        return self._tokens.index_select(0, source_BL.view(-1))


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


def _copy_texts(texts: Texts, numbers_N: Indices, device: torch.device) -> Tensor:
    """The tokens of the chosen texts on the device, and a token of padding; in pieces too."""
    count = int(texts.lengths_N[numbers_N].sum())
    tokens = torch.empty(count + 1, dtype=torch.int32, device=device)
    tokens[count] = PADDING_TOKEN
    step = max(1, _COPY_BYTES // (4 * max(1, *texts.shape)))
    filled = 0
    for start in range(0, len(numbers_N), step):
        part = torch.from_numpy(texts.join(numbers_N[start : start + step]))
        tokens[filled : filled + len(part)] = part
        filled += len(part)
    return tokens
