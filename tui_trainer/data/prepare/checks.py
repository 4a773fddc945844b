"""What has to hold of a source, whatever made it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import INPUT_DTYPES, KIND_NOUNS, LABEL_DTYPES
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import Block, Facts, Source
from tui_trainer.errors import DatasetError, DiskFullError

_REMEDY = "Check that the files belong together and are undamaged."
_SHOWN_CLASSES = 3
_SHOWN_LENGTH = 300


@contextmanager
def source_errors_told(reference: str) -> Iterator[None]:
    """While a source is read, an error of the system is told as one of the source.

    Raises:
        DatasetError: a file of it cannot be read any more; it names the file, or the source where
            the system does not tell which file it was.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DiskFullError.numbers:
            # Reading fills no disk: it is told as what it is.
            raise
        file = reference if error.filename is None else os.fsdecode(error.filename)
        told = sanitize(error.strerror or str(error), limit=_SHOWN_LENGTH).rstrip(".")
        raise DatasetError(
            f"{sanitize(file, limit=_SHOWN_LENGTH)} cannot be read: {told}.",
            "See that it is there, and that the disk or share it lies on answers; then go on with "
            "the same command.",
        ) from error


def check_labels(source: Source) -> None:
    """Make sure that the labels are of the task that the source tells.

    Raises:
        DatasetError: they are not.
    """
    facts, labels_N = source.facts, source.labels_N
    if not len(labels_N):
        raise DatasetError("There is no sample in it.", "See that it is the right one.")
    width = len(facts.targets if facts.task == "regression" else facts.classes)
    shape = () if facts.task == "classification" else (width,)
    if labels_N.dtype != LABEL_DTYPES[facts.task] or labels_N.shape[1:] != shape:
        raise DatasetError(
            f"The labels are of type {labels_N.dtype} and shape {labels_N.shape}, which is not "
            f"what a {facts.task} takes.",
            _REMEDY,
        )
    if facts.task == "regression":
        if not np.isfinite(labels_N).all():
            raise DatasetError("Some labels are not finite numbers.", "Leave those samples out.")
        return
    low, high = int(labels_N.min()), int(labels_N.max())
    most = width - 1 if facts.task == "classification" else 1
    if low < 0 or high > most:
        raise DatasetError(
            f"The labels run from {low} to {high}, but must lie between 0 and {most}.",
            "Check that the label file is the right one and undamaged.",
        )


def check_block(facts: Facts, block: Block) -> None:
    """Make sure that samples are of the kind and shape that the source tells.

    Raises:
        DatasetError: they are not.
    """
    count = len(block.numbers_B) if block.lengths_B is None else int(block.lengths_B.sum())
    shape = facts.shape if block.lengths_B is None else ()
    inputs = block.inputs
    if count and (inputs.shape != (count, *shape) or inputs.dtype != INPUT_DTYPES[facts.kind]):
        raise DatasetError(
            f"{KIND_NOUNS[facts.kind].capitalize()} of shape {inputs.shape} and type "
            f"{inputs.dtype} came where {(count, *shape)} were to come.",
            _REMEDY,
        )
    if facts.kind == "table" and not np.isfinite(inputs).all():
        raise DatasetError(
            "Some numbers are not finite.",
            "Fill in or leave out the rows with missing values.",
        )
    if facts.kind == "tokens" and count:
        low, high = int(inputs.min()), int(inputs.max())
        if low < 0 or high >= facts.vocabulary:
            raise DatasetError(
                f"The tokens run from {low} to {high}, "
                f"but must lie between 0 and {facts.vocabulary - 1}.",
                "Check that the vocabulary is the one the texts were split with.",
            )


def check_split(facts: Facts, split: str, count: int, counts_K: npt.NDArray[np.int64]) -> None:
    """Make sure that something can be learnt from what could be read.

    Raises:
        DatasetError: it cannot.
    """
    if not count:
        raise DatasetError(f"No sample of the {split} split can be read.", "Check the files.")
    if facts.task != "classification" or split != "train":
        return
    if len(facts.classes) < 2:
        raise DatasetError(
            f"There is only one class: {sanitize(facts.classes[0], limit=80)}.",
            "Add samples of another class; or name the column of the labels with --label.",
        )
    missing = [facts.classes[k] for k in np.flatnonzero(counts_K == 0)]
    if missing:
        names = ", ".join(sanitize(name, limit=80) for name in missing[:_SHOWN_CLASSES])
        raise DatasetError(
            f"No training sample that can be read is of class {names}.",
            "Add samples of it, or remove the class.",
        )
