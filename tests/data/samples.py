"""Arrays to make batches of, and the ways to serve them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tui_trainer.core.specs import DatasetSpec, Kind
from tui_trainer.data.batches import Batch, Batches

CPU = torch.device("cpu")


def make_spec(shape: tuple[int, ...], kind: Kind = "image") -> DatasetSpec:
    """A dataset of ten classes whose mean and deviation differ from channel to channel."""
    moments = 0 if kind == "tokens" else shape[0]
    return DatasetSpec(
        name="made-up",
        title="made up",
        kind=kind,
        shape=shape,
        classes=tuple("abcdefghij"),
        mean=tuple(30.0 + channel for channel in range(moments)),
        std=tuple(70.0 + channel for channel in range(moments)),
        splits={},
        origin="made for tests",
        vocabulary=50 if kind == "tokens" else 0,
    )


def make_inputs(spec: DatasetSpec, count: int, seed: int = 0) -> Any:
    """Random samples as such a dataset stores them."""
    generator = np.random.default_rng(seed)
    if spec.kind == "image":
        return generator.integers(0, 256, (count, *spec.shape), dtype=np.uint8)
    if spec.kind == "table":
        return generator.normal(30, 70, (count, *spec.shape)).astype(np.float32)
    return generator.integers(0, 50, (count, *spec.shape), dtype=np.int32)


def map_inputs(folder: Path, inputs: Any) -> Any:
    """The same array, mapped from a file as datasets are."""
    file = folder / "inputs.npy"
    np.save(file, inputs)
    return np.load(file, mmap_mode="r")


def serve(spec: DatasetSpec, inputs: Any, indices: Any = None, **settings: Any) -> Batches:
    """Batches on the processor; a sample's label is its number modulo the classes."""
    labels = np.arange(len(inputs), dtype=np.int64) % len(spec.classes)
    settings = {"batch_size": 16, "device": CPU} | settings
    return Batches(spec, inputs, labels, indices, **settings)


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    """Two lists of batches are equal to the bit."""
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.x, other.x)
        assert one.x.stride() == other.x.stride()
        assert torch.equal(one.labels_B, other.labels_B)
        assert (one.mixed_labels_B is None) == (other.mixed_labels_B is None)
        if one.mixed_labels_B is not None and other.mixed_labels_B is not None:
            assert torch.equal(one.mixed_labels_B, other.mixed_labels_B)
        assert one.share == other.share
