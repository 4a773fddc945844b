"""Texts of different lengths, stored one after the other and picked as padded batches."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import INPUT_DTYPES, PADDING_TOKEN
from tui_trainer.data.mapped import MappedArray
from tui_trainer.data.split import Indices

Tokens = npt.NDArray[np.int32]


class Texts:
    """Texts by their numbers; those picked together come padded to the longest of them.

    Text n is `tokens[offsets[n]:offsets[n + 1]]`. Both arrays may be mapped from files, which each
    process then opens for itself, as `MappedArray` does: it can be sent to workers.
    """

    def __init__(self, tokens: Tokens, offsets: Indices) -> None:
        """Take `tokens`, int32, and `offsets`, int64 N+1, which ascend from 0 to their number.

        Raises:
            ValueError: the offsets do not begin and end where the tokens do.
        """
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(tokens):
            raise ValueError(f"the offsets do not divide {len(tokens)} tokens into texts")
        self._tokens = MappedArray(tokens)
        self._offsets = MappedArray(offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of the longest text, in one place: that is how the kinds tell a shape."""
        return (int(self.lengths_N.max(initial=0)),)

    @cached_property
    def lengths_N(self) -> Indices:
        """How many tokens each text has, int64."""
        return np.diff(self._offsets.open())

    def __getitem__(self, numbers_B: Indices | slice) -> Tokens:
        """The chosen texts, int32 B×L with L tokens in the longest, padded with token 0.

        Raises:
            OSError: a file is gone or was changed.
        """
        if isinstance(numbers_B, slice):
            numbers_B = np.arange(len(self))[numbers_B]
        tokens, offsets = self._tokens.open(), self._offsets.open()
        starts_B, ends_B = offsets[numbers_B], offsets[numbers_B + 1]
        longest = int((ends_B - starts_B).max(initial=1))
        chosen_BL = np.full((len(numbers_B), longest), PADDING_TOKEN, tokens.dtype)
        # One copy for each text: faster than the index of every token, and no second whole.
        for row_L, start, end in zip(chosen_BL, starts_B.tolist(), ends_B.tolist(), strict=True):
            row_L[: end - start] = tokens[start:end]
        return chosen_BL

    def join(self, numbers_B: Indices) -> Tokens:
        """The tokens of the chosen texts one after the other, int32, without padding.

        Raises:
            OSError: a file is gone or was changed.
        """
        tokens, offsets = self._tokens.open(), self._offsets.open()
        starts, ends = offsets[numbers_B].tolist(), offsets[numbers_B + 1].tolist()
        parts = [tokens[start:end] for start, end in zip(starts, ends, strict=True)]
        return np.concatenate(parts) if parts else np.empty(0, tokens.dtype)


def pack_texts(texts: Iterable[npt.ArrayLike]) -> tuple[Tokens, Indices]:
    """The tokens of texts one after the other, and their offsets, as `Texts` takes them."""
    dtype = INPUT_DTYPES["tokens"]
    parts = [np.asarray(text, dtype) for text in texts]
    offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return np.concatenate([np.empty(0, dtype), *parts]), offsets
