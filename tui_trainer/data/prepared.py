"""Prepared datasets: arrays in `.npy` files and a manifest, opened without reading them.

DATA_DIR/mnist/dataset.json, train-inputs.npy, train-labels.npy, test-inputs.npy …
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import ArrayFile, DatasetSpec
from tui_trainer.data.stored_values import check_values, label_rule, offset_rule, token_rule
from tui_trainer.data.texts import Texts
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import check_array_file, read_spec
from tui_trainer.store.plain_file import read_plain

Inputs = npt.NDArray[Any]
Labels = npt.NDArray[Any]
"""int64 N, uint8 N×K or float32 N×T, as `LABEL_DTYPES` says."""

_MOST_FILE_BYTES = 1 << 30


def load_split(
    data_dir: Path, name: str, split: str, spec: DatasetSpec | None = None
) -> tuple[Inputs | Texts, Labels]:
    """The verified inputs and labels of a split, mapped from the disk; texts as `Texts`.

    With `spec` they are those that it describes, and not those of a dataset that another process
    has put in its place since it was read.

    Raises:
        DatasetError: the dataset is not prepared, its files are not as they were written, or hold
            labels, texts or tokens that its manifest does not allow.
    """
    spec = spec or read_spec(data_dir, name)
    if split not in spec.splits:
        raise DatasetError(
            f"{name} has no split {split!r}.", f"Choose one of: {', '.join(spec.splits)}."
        )
    part, folder = spec.splits[split], data_dir / name
    inputs, labels = _map(folder, part.inputs), _map(folder, part.labels)
    try:
        check_values(folder, part.labels, labels, label_rule(spec))
        if part.offsets is None:
            return inputs, labels
        offsets = _map(folder, part.offsets)
        check_values(folder, part.offsets, offsets, offset_rule(spec, len(inputs)))
        check_values(folder, part.inputs, inputs, token_rule(spec))
        return Texts(inputs, offsets), labels
    except (ValueError, OSError) as error:
        told = isinstance(error, OSError) and error.strerror
        raise DatasetError(
            f"{folder} is damaged: {told or error}.",
            f"Prepare it again with: tuitrain data get {name}.",
        ) from error


def load_digests(data_dir: Path, spec: DatasetSpec, split: str) -> npt.NDArray[np.uint64]:
    """A hash of each sample's inputs, uint64 N: those of equal samples are equal.

    Raises:
        DatasetError: the file is not as it was written.
    """
    digests = spec.splits[split].digests
    if digests is None:
        return np.empty(0, np.uint64)
    return _map(data_dir / spec.name, digests)


def load_file(data_dir: Path, spec: DatasetSpec, file: str) -> bytes:
    """A further file of a dataset, such as its vocabulary, as it was written.

    Raises:
        DatasetError: it is not there, or not as it was written.
    """
    path = data_dir / spec.name / Path(file).name
    again = f"Prepare it again with: tuitrain data get {spec.name}."
    try:
        content = read_plain(path, _MOST_FILE_BYTES)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.", again) from error
    if hashlib.sha256(content).hexdigest() != spec.files.get(file):
        raise DatasetError(f"{path} is damaged: its SHA-256 is not the recorded one.", again)
    return content


def _map(folder: Path, array_file: ArrayFile) -> npt.NDArray[Any]:
    file = check_array_file(folder, array_file)
    again = f"Prepare it again with: tuitrain data get {folder.name}."
    try:
        # A file without a single row has nothing to map.
        array = np.load(file, mmap_mode="r" if array_file.shape[0] else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.", again) from error
    # What is no `.npy` file may be read as an archive of several.
    found = (array.shape, str(array.dtype)) if isinstance(array, np.ndarray) else None
    if found != (array_file.shape, array_file.dtype):
        raise DatasetError(f"{file} is not the array that its manifest describes.", again)
    return np.asarray(array)
