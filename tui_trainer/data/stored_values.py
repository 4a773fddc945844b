"""Whether what stands in a prepared dataset's arrays is what its manifest allows.

An array that is as it was written may still have been written by anybody: a label beyond the
classes or a token beyond the vocabulary would end a run in its midst. Large arrays are looked at
once: what they were found to be stands in `checked.json` beside them, and holds for as long as the
file is not touched.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import ArrayFile, DatasetSpec
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.datasets import FileStamp, stamp_of
from tui_trainer.store.plain_file import read_plain

_CHECKED = "checked.json"
# What is read again each time rather than noted: a millisecond or two.
_QUICK_BYTES = 4 << 20
_PIECE_ROWS = 1 << 20

_Checked = dict[str, tuple[str, FileStamp]]
_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True)
class Rule:
    """What values have to be.

    Attributes:
        told: The rule in words, which tell it from all others.
        find_flaw: Why an array is not so, a clause; empty if it is.
    """

    told: str
    find_flaw: Callable[[npt.NDArray[Any]], str]


def label_rule(spec: DatasetSpec) -> Rule:
    """What the labels of a dataset have to be."""
    if spec.task == "regression":
        return Rule("finite", _find_infinite)
    return _between("labels", len(spec.classes) - 1 if spec.task == "classification" else 1)


def token_rule(spec: DatasetSpec) -> Rule:
    """What the tokens of texts have to be."""
    return _between("tokens", spec.vocabulary - 1)


def offset_rule(spec: DatasetSpec, count: int) -> Rule:
    """What the offsets of texts have to be that divide `count` tokens."""
    longest = spec.shape[0]

    def find(offsets_N: npt.NDArray[Any]) -> str:
        if not len(offsets_N) or offsets_N[0] != 0 or offsets_N[-1] != count:
            return f"the offsets do not divide {count} tokens into texts"
        for start in range(0, len(offsets_N) - 1, _PIECE_ROWS):
            lengths_B = np.diff(offsets_N[start : start + _PIECE_ROWS + 1])
            if lengths_B.min() < 0 or lengths_B.max() > longest:
                return f"the offsets tell of texts that have not 0 to {longest} tokens"
        return ""

    return Rule(f"ascending from 0 to {count} by no more than {longest}", find)


def _between(noun: str, most: int) -> Rule:
    def find(values: npt.NDArray[Any]) -> str:
        if not values.size or (values.min() >= 0 and values.max() <= most):
            return ""
        low, high = int(values.min()), int(values.max())
        return f"its {noun} run from {low} to {high}, but must lie between 0 and {most}"

    return Rule(f"between 0 and {most}", find)


def _find_infinite(values: npt.NDArray[Any]) -> str:
    # Both are NaN where one value is, and no copy is made.
    if not values.size or (math.isfinite(values.min()) and math.isfinite(values.max())):
        return ""
    return "some of its labels are not finite numbers"


def check_values(folder: Path, file: ArrayFile, array: npt.NDArray[Any], rule: Rule) -> None:
    """Make sure that an array of the dataset in `folder` obeys a rule.

    Raises:
        ValueError: it does not; the message is a clause for people.
        OSError: its file is gone.
    """
    path = folder / Path(file.file).name
    is_quick = array.nbytes <= _QUICK_BYTES
    # Taken before the file is read, as it may be written to meanwhile.
    found = rule.told, stamp_of(path)
    if not is_quick and _read_checked(folder).get(path.name) == found:
        return
    if flaw := rule.find_flaw(array):
        raise ValueError(flaw)
    if not is_quick:
        # Where this folder may not be written to, every use looks again.
        with contextlib.suppress(OSError):
            checked = {**_read_checked(folder), path.name: found}
            replace_file(folder / _CHECKED, msgspec.json.encode(checked), durable=False)


def _read_checked(folder: Path) -> _Checked:
    try:
        return msgspec.json.decode(read_plain(folder / _CHECKED), type=_Checked)
    except _UNREADABLE:
        # Nothing is known to be checked: it is looked at again.
        return {}
