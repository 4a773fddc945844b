"""What a prepared dataset is: where data and models meet."""

from __future__ import annotations

import msgspec

DATASET_VERSION = 1


class ArrayFile(msgspec.Struct, frozen=True, kw_only=True):
    """One `.npy` file of a prepared dataset, named relative to its folder."""

    file: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int
    sha256: str


class SplitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A split: images as uint8 N×C×H×W, labels as int64 N."""

    count: int
    images: ArrayFile
    labels: ArrayFile


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared dataset. `mean` and `std` are per channel, of training pixels as stored."""

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, SplitSpec]
    origin: str
    version: int = DATASET_VERSION
