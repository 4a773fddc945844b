"""Arrays in files, and which of them belong together as inputs and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import SPLITS
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.errors import DatasetError

INPUT_NAMES = ("inputs", "x", "images", "data", "features")
LABEL_NAMES = ("labels", "y", "label", "targets", "target")
_ORDER = ("", *SPLITS)
MAX_SAMPLES = 100_000_000
"""Samples of all splits together: labels of all are in memory at once."""


_SPLIT_WORDS = {
    "train": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}


class StoredArray(Protocol):
    """An array in a file, which can be sent to another process.

    Attributes:
        name: What people call it.
        dtype: Numbers, or any other for texts.
        step: Samples that are best read together; reading begins at multiples of it.
        classes: What labels mean, where the file says so.
    """

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def step(self) -> int: ...
    @property
    def classes(self) -> tuple[str, ...]: ...

    def read(self, start: int, stop: int) -> npt.NDArray[Any] | Sequence[str]:
        """Samples from `start` to `stop`: numbers of this machine's byte order, or texts."""

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""


@dataclass(frozen=True)
class Pair:
    """Inputs and labels of a split; of all samples, where the split is `""`."""

    split: str
    inputs: StoredArray
    labels: StoredArray


def find_pairs(names: Iterable[str], preparation: PreparationConfig) -> dict[str, tuple[str, str]]:
    """The names of inputs and labels by split, such as of `x_train` or `test/labels`.

    Raises:
        DatasetError: there are none, several, or one without the other.
    """
    found: dict[tuple[str, str], list[str]] = {}
    wanted = {
        "inputs": (preparation.inputs.strip(),) if preparation.inputs else INPUT_NAMES,
        "labels": (preparation.label.strip(),) if preparation.label else LABEL_NAMES,
    }
    listed = sorted(names)
    for name in listed:
        split, word = _take_split(name)
        for role, words in wanted.items():
            if name in words or word in {one.lower() for one in words}:
                found.setdefault(("" if name in words else split, role), []).append(name)
    for (_, role), several in found.items():
        if len(several) > 1:
            raise DatasetError(
                f"{show(several[0])} and {show(several[1])} may both be the {role}.",
                f"Say which with --{'label' if role == 'labels' else 'inputs'}.",
            )
    splits = sorted({split for split, _ in found}, key=_ORDER.index)
    _check_found(found, splits or [""], listed)
    return {split: (found[split, "inputs"][0], found[split, "labels"][0]) for split in splits}


def _check_found(
    found: Mapping[tuple[str, str], Sequence[str]], splits: Sequence[str], listed: Sequence[str]
) -> None:
    """See that each split has inputs and labels, and that the splits are whole."""
    there = ", ".join(show(name) for name in listed[:10]) or "nothing"
    for split in splits:
        for role in ("inputs", "labels"):
            if (split, role) not in found:
                of = f" of the split {split}" if split else ""
                raise DatasetError(
                    f"There is no array of {role}{of}; there is {there}.",
                    "Call them inputs and labels, or say which they are with --inputs and --label.",
                )
    if "" in splits and len(splits) > 1:
        raise DatasetError(
            "There are arrays of splits and others beside them.",
            "Say which to take with --inputs and --label.",
        )
    if splits != [""] and not {"train", "test"} <= set(splits):
        raise DatasetError(
            f"There are arrays of {', '.join(splits)} only.", "Add both train and test."
        )


def check_pairs(pairs: Sequence[Pair]) -> None:
    first = pairs[0].inputs
    for pair in pairs:
        inputs, labels = pair.inputs, pair.labels
        if not inputs.shape or not labels.shape:
            raise DatasetError(
                f"{(labels if inputs.shape else inputs).name} is a single value, no array.",
                "Give an array with a place for each sample.",
            )
        if inputs.shape[0] != labels.shape[0]:
            raise DatasetError(
                f"{inputs.name} has {inputs.shape[0]} samples and {labels.name} has "
                f"{labels.shape[0]} labels.",
                "Give one label for each sample.",
            )
        if not inputs.shape[0]:
            raise DatasetError(f"{inputs.name} has no samples.", "Name an array that has some.")
        if inputs.dtype.kind not in "biuf":
            raise DatasetError(
                f"{inputs.name} holds values of type {sanitize(str(inputs.dtype), limit=80)}.",
                "Give numbers; name the array of inputs with --inputs.",
            )
        if inputs.shape[1:] != first.shape[1:] or labels.shape[1:] != pairs[0].labels.shape[1:]:
            raise DatasetError(
                f"{inputs.name} and {labels.name} are not shaped as {first.name} and "
                f"{pairs[0].labels.name}.",
                "Give samples of one shape in all splits.",
            )
        if (inputs.dtype.kind == "f") != (first.dtype.kind == "f"):
            raise DatasetError(
                f"{inputs.name} and {first.name} are of different types.", "Give one type."
            )
        if (labels.dtype.kind in "biuf") != (pairs[0].labels.dtype.kind in "biuf"):
            raise DatasetError(
                f"{labels.name} and {pairs[0].labels.name} are of different types.",
                "Give one type.",
            )
    total = sum(pair.inputs.shape[0] for pair in pairs)
    if total > MAX_SAMPLES:
        raise DatasetError(
            f"{first.name} has {format_count(total)} samples, more than "
            f"{format_count(MAX_SAMPLES)}.",
            "Take a part of it.",
        )


def _take_split(name: str) -> tuple[str, str]:
    """The split that a name begins or ends with, and the rest, in lower case."""
    lowered = name.lower()
    for word, split in _SPLIT_WORDS.items():
        for separator in "/_-.":
            if lowered.startswith(word + separator):
                return split, lowered[len(word) + 1 :]
            if lowered.endswith(separator + word):
                return split, lowered[: -len(word) - 1]
    return "", lowered
