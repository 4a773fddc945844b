"""Prepared datasets: arrays in `.npy` files and a manifest, published whole.

    DATA_DIR/mnist/dataset.json, train-inputs.npy, train-labels.npy, test-inputs.npy …

Inputs are uint8 N×C×H×W (images), float32 N×F (tables) or int32 N×L (tokens); labels int64 N.
"""

from __future__ import annotations

import errno
import hashlib
import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer import paths
from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.sealed_json import seal
from tui_trainer.core.specs import INPUT_DTYPES, KIND_NOUNS, ArrayFile, DatasetSpec, SplitSpec
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import holds, new_folder, write_durable
from tui_trainer.store.datasets import check_array_file, read_spec

Inputs = npt.NDArray[Any]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Arrays = dict[str, tuple[Inputs, Labels]]
Moments = tuple[tuple[float, ...], tuple[float, ...]]


def save_prepared(data_dir: Path, entry: DatasetEntry, arrays: Arrays, origin: str) -> DatasetSpec:
    """Check, measure and publish a dataset; `arrays` maps a split to its inputs and labels.

    Raises:
        DatasetError: an input or label is out of range, or inputs and labels do not pair up.
    """
    for split, (inputs, labels) in arrays.items():
        _check_inputs(entry, split, inputs, len(labels))
        _check_labels(entry, split, labels)
    mean, std = _measure(entry, arrays["train"][0])
    folder = data_dir / entry.name
    try:
        with new_folder(folder) as temporary:
            splits = {}
            for split, (inputs, labels) in arrays.items():
                splits[split] = SplitSpec(
                    count=len(labels),
                    inputs=_write_array(temporary, f"{split}-inputs.npy", inputs),
                    labels=_write_array(temporary, f"{split}-labels.npy", labels),
                )
            spec = DatasetSpec(
                name=entry.name,
                title=entry.title,
                kind=entry.kind,
                shape=entry.shape,
                classes=entry.classes,
                mean=mean,
                std=std,
                splits=splits,
                origin=origin,
                vocabulary=entry.vocabulary,
            )
            _write_checked(temporary / paths.DATASET_MANIFEST, seal(msgspec.json.encode(spec)))
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Free some space, or name another folder with --data-dir.",
        ) from error
    return spec


def load_split(data_dir: Path, name: str, split: str) -> tuple[Inputs, Labels]:
    """The verified arrays of a split, mapped from the disk.

    Raises:
        DatasetError: the dataset is not prepared, or its files are not as they were written.
    """
    spec = read_spec(data_dir, name)
    if split not in spec.splits:
        raise DatasetError(
            f"{name} has no split {split!r}.", f"Choose one of: {', '.join(spec.splits)}."
        )
    folder = data_dir / name
    inputs = _read_array(folder, spec.splits[split].inputs)
    labels = _read_array(folder, spec.splits[split].labels)
    return inputs, labels


def hash_data(spec: DatasetSpec) -> str:
    """SHA-256 over what training sees of a dataset: its files' hashes, its mean and deviation."""
    arrays = [(s.inputs.sha256, s.labels.sha256) for _, s in sorted(spec.splits.items())]
    return hashlib.sha256(msgspec.json.encode([arrays, spec.mean, spec.std])).hexdigest()


def _measure(entry: DatasetEntry, inputs: Inputs) -> Moments:
    if entry.kind == "image":
        return measure_pixels(inputs)
    return measure_features(inputs) if entry.kind == "table" else ((), ())


def measure_pixels(images: Images) -> Moments:
    """Mean and standard deviation of each channel of N×C×H×W images, in stored units."""
    # By histogram: exact sums in integers, whatever the number of images.
    means, deviations = [], []
    levels = np.arange(256, dtype=np.float64)
    for channel in range(images.shape[1]):
        histogram = np.bincount(images[:, channel].ravel(), minlength=256)
        total = histogram.sum()
        mean = float((histogram * levels).sum() / total)
        variance = float((histogram * (levels - mean) ** 2).sum() / total)
        means.append(mean)
        deviations.append(max(variance**0.5, 1e-6))
    return tuple(means), tuple(deviations)


def measure_features(table_NF: npt.NDArray[np.float32]) -> Moments:
    """Mean and standard deviation of each column; the deviation of a constant one counts as 1."""
    wide_NF = table_NF.astype(np.float64)
    mean_F, std_F = wide_NF.mean(axis=0), wide_NF.std(axis=0)
    # What rounding leaves of a constant column would blow up the least change in it.
    std_F[std_F <= 1e-7 * np.abs(mean_F)] = 1.0
    return tuple(mean_F.tolist()), tuple(std_F.tolist())


def _check_inputs(entry: DatasetEntry, split: str, inputs: Inputs, label_count: int) -> None:
    if inputs.shape != (label_count, *entry.shape) or inputs.dtype != INPUT_DTYPES[entry.kind]:
        raise DatasetError(
            f"The {split} split of {entry.name} pairs {KIND_NOUNS[entry.kind]} of shape "
            f"{inputs.shape} and type {inputs.dtype} with {label_count} labels.",
            "Check that the files belong together.",
        )
    if not label_count:
        raise DatasetError(f"The {split} split of {entry.name} is empty.", "Check the files.")
    if entry.kind == "table" and not np.isfinite(inputs).all():
        raise DatasetError(
            f"The {split} split of {entry.name} holds numbers that are not finite.",
            "Fill in or leave out the rows with missing values.",
        )
    if entry.kind == "tokens":
        low, high = int(inputs.min()), int(inputs.max())
        if low < 0 or high >= entry.vocabulary:
            raise DatasetError(
                f"The {split} tokens of {entry.name} run from {low} to {high}, "
                f"but must lie between 0 and {entry.vocabulary - 1}.",
                "Check that the vocabulary is the one the texts were split with.",
            )


def _check_labels(entry: DatasetEntry, split: str, labels: Labels) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(entry.classes):
        raise DatasetError(
            f"The {split} labels of {entry.name} run from {low} to {high}, "
            f"but must lie between 0 and {len(entry.classes) - 1}.",
            "Check that the label file is the right one and undamaged.",
        )


def _write_array(folder: Path, name: str, array: npt.NDArray[np.generic]) -> ArrayFile:
    file = folder / name
    # Not by `np.save`, which does not notice where the end of an array finds no room.
    header = io.BytesIO()
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    body = array.reshape(-1).view(np.uint8).data
    parts: list[bytes | memoryview] = [header.getvalue(), body]
    _write_checked(file, *parts)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return ArrayFile(
        file=name,
        shape=array.shape,
        dtype=str(array.dtype),
        size_bytes=sum(map(len, parts)),
        sha256=digest.hexdigest(),
    )


def _write_checked(file: Path, *parts: bytes | memoryview) -> None:
    write_durable(file, *parts)
    if not holds(file, *parts):
        raise OSError(errno.EIO, "The disk did not give it back as it was written")


def _read_array(folder: Path, array_file: ArrayFile) -> npt.NDArray[Any]:
    file = check_array_file(folder, array_file)
    again = f"Prepare it again with: tuitrain data get {folder.name}."
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.", again) from error
    if array.shape != array_file.shape or str(array.dtype) != array_file.dtype:
        raise DatasetError(f"{file} is not the array that its manifest describes.", again)
    return np.asarray(array)
