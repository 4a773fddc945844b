"""Many float32 values on their way into an event of the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import orjson

from tui_trainer.core.sealed_json import Number, number


class Float32Column(Sequence[Number]):
    """What a reader gets as numbers, kept as an array until it is written.

    Each value is the shortest decimal that is the same float32; as an item, it is the number that
    a reader of that decimal gets.
    """

    def __init__(self, values_N: npt.NDArray[np.float32]) -> None:
        self._values_N = values_N

    def __len__(self) -> int:
        return len(self._values_N)

    @overload
    def __getitem__(self, index: int) -> Number: ...
    @overload
    def __getitem__(self, index: slice) -> Float32Column: ...
    def __getitem__(self, index: int | slice) -> Number | Float32Column:
        if isinstance(index, slice):
            return Float32Column(self._values_N[index])
        value = float(self._values_N[index])
        if not math.isfinite(value):
            return number(value)
        return float(orjson.dumps(self._values_N[index], option=orjson.OPT_SERIALIZE_NUMPY))

    def to_json(self) -> bytes:
        """A JSON array; null stands for what is not finite."""
        values_N = np.ascontiguousarray(self._values_N, np.float32)
        return orjson.dumps(values_N, option=orjson.OPT_SERIALIZE_NUMPY)
