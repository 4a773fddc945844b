"""The datasets that are published as arrays, each in a format of its own."""

from __future__ import annotations

import bz2
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog.arrays import OriginalPart, open_arrays
from tui_trainer.data.prepare.catalog.originals import Originals, Wanted, insist_on_published
from tui_trainer.data.prepare.catalog.plain_pickles import read_plain_pickle
from tui_trainer.data.prepare.source import Source
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_GOOD_COPY = "Fetch the file again from a good copy."
_CIFAR10_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
# A batch has its pixels, and less than 128 bytes for the name and the labels of each image.
_CIFAR_SAMPLE_BYTES = 3 * 32 * 32 + 128
_USPS_LINE_BYTES = 1 << 14
_USPS_PIXELS = 256

ARRAY_FILES: Mapping[str, Wanted] = {
    "cifar10": Wanted(
        {name: (name,) for name in (*_CIFAR10_TRAIN, "test_batch", "batches.meta")},
        ("cifar-10-python.tar.gz",),
    ),
    "cifar100": Wanted(
        {name: (f"cifar-100-python/{name}", name) for name in ("train", "test", "meta")},
        ("cifar-100-python.tar.gz",),
    ),
    "svhn": Wanted({split: (f"{split}_32x32.mat",) for split in ("train", "test")}),
    "usps": Wanted({"train": ("usps.bz2", "usps"), "test": ("usps.t.bz2", "usps.t")}),
    "stl10": Wanted(
        {
            f"{split}_{part}": (f"{split}_{part}.bin",)
            for split in ("train", "test")
            for part in "Xy"
        },
        ("stl10_binary.tar.gz",),
    ),
}


def open_array_files(
    entry: DatasetEntry, originals: Originals, preparation: PreparationConfig
) -> Source:
    """One of these datasets, from the files that were found.

    Raises:
        DatasetError: a file is damaged, or holds something else.
    """
    parts = _READERS[entry.name](entry, originals)
    published = all(originals.is_published(path) for path in originals.paths.values())
    return open_arrays(entry, parts, preparation, originals.origin(is_published=published))


def _read_cifar(entry: DatasetEntry, originals: Originals) -> list[OriginalPart]:
    """CIFAR: batches of N×3072 bytes, red, green and blue one after the other.

    Format: https://www.cs.toronto.edu/~kriz/cifar.html, the version for Python.
    """
    is_small = entry.name == "cifar10"
    meta = originals.paths["batches.meta" if is_small else "meta"]
    names = read_plain_pickle(meta, max_bytes=1 << 20).get(
        "label_names" if is_small else "fine_label_names"
    )
    if names != list(entry.classes):
        raise DatasetError(f"{meta} does not name the classes of {entry.name}.", _GOOD_COPY)
    names_of = {"train": _CIFAR10_TRAIN if is_small else ("train",)}
    names_of["test"] = ("test_batch" if is_small else "test",)
    counts = {"train": entry.train_count, "test": entry.test_count}
    parts = []
    for split, files in names_of.items():
        count = counts[split] // len(files)
        key = "labels" if is_small else "fine_labels"
        parts += [_read_batch(originals.paths[file], split, count, key) for file in files]
    return parts


def _read_batch(file: Path, split: str, count: int, key: str) -> OriginalPart:
    batch = read_plain_pickle(file, max_bytes=count * _CIFAR_SAMPLE_BYTES + (1 << 20))
    data, labels = batch.get("data"), batch.get(key)
    if (
        not isinstance(data, np.ndarray)
        or data.shape != (count, 3 * 32 * 32)
        or not isinstance(labels, list)
        or len(labels) != count
        or not all(type(label) is int and 0 <= label < 1000 for label in labels)
    ):
        raise DatasetError(f"{file} does not hold {count:,} images and labels.", _GOOD_COPY)
    return OriginalPart(split, data.reshape(count, 3, 32, 32), np.array(labels, np.int64))


def _read_svhn(entry: DatasetEntry, originals: Originals) -> list[OriginalPart]:
    """SVHN: a Matlab file for each split, of 32×32×3×N bytes; the label 10 means the digit 0.

    Format: http://ufldl.stanford.edu/housenumbers/, cropped digits.
    """
    from scipy.io import loadmat

    parts = []
    for split, count in (("train", entry.train_count), ("test", entry.test_count)):
        file = originals.paths[split]
        insist_on_published(originals, file)
        arrays = loadmat(file, variable_names=["X", "y"])
        images, labels = arrays["X"], arrays["y"].astype(np.int64).reshape(-1)
        if images.shape != (32, 32, 3, count) or images.dtype != np.uint8:
            raise DatasetError(f"{file} does not hold {count:,} images.", _GOOD_COPY)
        parts.append(OriginalPart(split, images.transpose(3, 2, 0, 1), labels % 10))
    return parts


def _read_usps(entry: DatasetEntry, originals: Originals) -> list[OriginalPart]:
    """USPS: a line for each image, its label from 1 on and 256 pixels from −1 to 1.

    Format: https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/ (LIBSVM).
    """
    parts = []
    for split, count in (("train", entry.train_count), ("test", entry.test_count)):
        images, labels = _read_lines(originals.paths[split], count)
        parts.append(OriginalPart(split, images, labels))
    return parts


def _read_lines(file: Path, count: int) -> tuple[Images, Labels]:
    pixels_NP, labels_N = np.empty((count, _USPS_PIXELS), np.float32), np.empty(count, np.int64)
    number = 0
    try:
        with open(open_plain(file), "rb") as raw:
            is_packed = raw.read(3) == b"BZh"
            raw.seek(0)
            lines: Any = bz2.BZ2File(raw) if is_packed else raw
            while line := lines.readline(_USPS_LINE_BYTES):
                label, *pixels = line.split()
                pairs = [pixel.split(b":") for pixel in pixels]
                if [int(place) for place, _ in pairs] != list(range(1, _USPS_PIXELS + 1)):
                    raise ValueError("pixels are missing")
                pixels_NP[number] = [float(value) for _, value in pairs]
                labels_N[number] = int(label) - 1
                number += 1
    except (EOFError, ValueError, IndexError) as error:
        raise DatasetError(f"{file} is damaged at line {number + 1}.", _GOOD_COPY) from error
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
    if number != count or not (np.abs(pixels_NP) <= 1).all():
        raise DatasetError(f"{file} does not hold {count:,} images.", _GOOD_COPY)
    images = ((pixels_NP + 1) / 2 * 255).astype(np.uint8)
    return images.reshape(-1, 16, 16), labels_N


def _read_stl10(entry: DatasetEntry, originals: Originals) -> list[OriginalPart]:
    """STL-10: N×3×96×96 bytes, column after column, and labels from 1 on.

    Format: https://cs.stanford.edu/~acoates/stl10/, the binary version.
    """
    parts = []
    for split, count in (("train", entry.train_count), ("test", entry.test_count)):
        images = _read_bytes(originals.paths[f"{split}_X"], (count, *entry.shape))
        labels = _read_bytes(originals.paths[f"{split}_y"], (count,))
        parts.append(OriginalPart(split, images.transpose(0, 1, 3, 2), labels.astype(np.int64) - 1))
    return parts


def _read_bytes(file: Path, shape: tuple[int, ...]) -> Images:
    try:
        with open(open_plain(file), "rb") as stream:
            size_bytes = stream.seek(0, 2)
            if size_bytes != math.prod(shape):
                raise DatasetError(
                    f"{file} has {size_bytes:,} bytes, not {math.prod(shape):,}.", _GOOD_COPY
                )
            stream.seek(0)
            return np.fromfile(stream, np.uint8).reshape(shape)
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error


_READERS: dict[str, Callable[[DatasetEntry, Originals], list[OriginalPart]]] = {
    "cifar10": _read_cifar,
    "cifar100": _read_cifar,
    "svhn": _read_svhn,
    "usps": _read_usps,
    "stl10": _read_stl10,
}
