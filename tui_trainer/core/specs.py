"""What a prepared dataset is: where data and models meet."""

from __future__ import annotations

from typing import Literal

import msgspec

DATASET_VERSION = 2

Kind = Literal["image", "table", "tokens"]

# How the inputs of each kind are stored; labels are int64.
INPUT_DTYPES: dict[Kind, str] = {"image": "uint8", "table": "float32", "tokens": "int32"}
# What a person calls the inputs of each kind.
KIND_NOUNS: dict[Kind, str] = {"image": "images", "table": "rows of a table", "tokens": "tokens"}
# The token that fills a text up to the common length; no model may see a difference by it.
PADDING_TOKEN = 0


class ArrayFile(msgspec.Struct, frozen=True, kw_only=True):
    """One `.npy` file of a prepared dataset, named relative to its folder."""

    file: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int
    sha256: str


class SplitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A split: inputs of the dataset's kind with N first, labels as int64 N."""

    count: int
    inputs: ArrayFile
    labels: ArrayFile


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared dataset: what its samples are and where they lie.

    | kind | `shape` of a sample | stored as | `mean` and `std` of the training samples |
    |---|---|---|---|
    | `image` | (C, H, W) | uint8 | per channel, of pixels as stored |
    | `table` | (F,) | float32 | per feature |
    | `tokens` | (L,) | int32 below `vocabulary`, 0 as padding | empty |
    """

    name: str
    title: str
    kind: Kind
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, SplitSpec]
    origin: str
    vocabulary: int = 0
    version: int = DATASET_VERSION
