"""The datasets that are published as MNIST is: in IDX files, gzipped or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.idx import md5_of_idx, read_idx
from tui_trainer.data.prepare.catalog.arrays import OriginalPart, open_arrays
from tui_trainer.data.prepare.catalog.originals import Originals, Wanted
from tui_trainer.data.prepare.catalog.published import is_published
from tui_trainer.data.prepare.source import Source

_SPLITS = ("train", "test")
# How the balanced and the other parts of EMNIST are called in the names of its files.
_EMNIST_PARTS = {"emnist": "balanced", "emnist-letters": "letters", "emnist-digits": "digits"}
# QMNIST tells more of each digit than what it is: who wrote it, and where it was in NIST's files.
_QMNIST_COLUMNS = 8


def want_idx(entry: DatasetEntry) -> Wanted:
    """The four files of a dataset of this family."""
    paths = {
        f"{split}-{kind}": _spell(entry.name, split, kind)
        for split in _SPLITS
        for kind in ("images", "labels")
    }
    return Wanted(paths, ("gzip.zip",) if entry.name in _EMNIST_PARTS else ())


def open_idx(entry: DatasetEntry, originals: Originals, preparation: PreparationConfig) -> Source:
    """The dataset in four IDX files.

    Raises:
        DatasetError: a file is damaged, or has another shape than it should.
    """
    counts = {"train": entry.train_count, "test": entry.test_count}
    parts, published = [], True
    for split, count in counts.items():
        images, is_known = _read(originals, f"{split}-images", (count, *entry.shape[1:]))
        published &= is_known
        columns = (_QMNIST_COLUMNS,) if entry.name == "qmnist" else ()
        labels, is_known = _read(originals, f"{split}-labels", (count, *columns))
        published &= is_known
        parts.append(OriginalPart(split, *_mend(entry, images, labels)))
    return open_arrays(entry, parts, preparation, originals.origin(is_published=published))


def _mend(
    entry: DatasetEntry, images_NHW: npt.NDArray[np.uint8], labels: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images that stand upright, and labels that count from 0."""
    if entry.name in _EMNIST_PARTS:
        # The files of EMNIST hold each image mirrored at its diagonal.
        images_NHW = images_NHW.transpose(0, 2, 1)
    if entry.name == "emnist-letters":
        return images_NHW, labels.astype(np.int64) - 1
    if entry.name == "qmnist":
        return images_NHW, labels[:, 0].astype(np.int64)
    return images_NHW, labels.astype(np.int64)


def _read(originals: Originals, key: str, shape: tuple[int, ...]) -> tuple[npt.NDArray[Any], bool]:
    """The array in a file, and whether it is as published."""
    file = originals.paths[key]
    array = read_idx(file, shape, "int32" if len(shape) == 2 else "uint8")
    if originals.is_published(file):
        return array, True
    return array, is_published(originals.entry.name, md5_of_idx(array))


def _spell(name: str, split: str, kind: str) -> list[str]:
    """The names that a file may have, the usual one first."""
    dimensions, dtype = (3 if kind == "images" else 1), "ubyte"
    stem = f"{'train' if split == 'train' else 't10k'}-{kind}"
    if name in _EMNIST_PARTS:
        stem = f"emnist-{_EMNIST_PARTS[name]}-{split}-{kind}"
    elif name == "qmnist":
        stem = f"qmnist-{split}-{kind}"
        if kind == "labels":
            dimensions, dtype = 2, "int"
    plain = [f"{stem}{separator}idx{dimensions}-{dtype}" for separator in "-."]
    return [f"{one}{ending}" for one in plain for ending in ("", ".gz")]
