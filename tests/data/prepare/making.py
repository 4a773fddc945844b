"""Prepared datasets of a test's own samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.core.specs import DatasetSpec, Skipped, SourceFacts
from tui_trainer.data.prepare.engine import Preparation
from tui_trainer.data.prepare.source import Block, Facts, ReadTask, ReadySource


def make_dataset(
    data_dir: Path,
    facts: Facts,
    inputs: Any,
    labels: Any,
    *,
    reference: str = "npz:/made",
    preparation: PreparationConfig | None = None,
    lengths: list[int] | None = None,
    **more: Any,
) -> DatasetSpec:
    """Prepare samples held in memory; the first four fifths train, the rest test."""
    count = len(labels)
    splits = np.zeros(count, np.int8)
    splits[count - count // 5 :] = 1

    def read() -> Iterator[ReadTask]:
        texts = None if lengths is None else np.array(lengths, np.int64)
        yield lambda: Block(np.arange(count), inputs, texts)

    source = ReadySource(facts, labels, read, splits_N=splits, **more)
    preparation = preparation or PreparationConfig()
    name = prepared_name(reference, preparation)
    origin = SourceFacts(
        reference=reference, preparation=preparation, stamps=dict(more.get("stamps", {}))
    )
    return Preparation(data_dir, name, source, origin, 1).run(lambda done, total: None)


def make_images(
    data_dir: Path, count: int = 30, side: int = 6, classes: int = 3, **more: Any
) -> DatasetSpec:
    """Grey images, each of one level: its number; the classes take turns."""
    names = tuple(f"class-{n}" for n in range(classes))
    facts = Facts("image", "classification", (1, side, side), "made images", "made", names)
    levels = np.arange(count, dtype=np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (count, 1, side, side)).copy()
    return make_dataset(data_dir, facts, images, np.arange(count) % classes, **more)


def skipped(count: int) -> tuple[Skipped, ...]:
    """Samples that were set aside."""
    return tuple(Skipped(name=f"row {n}", reason="it is empty") for n in range(count))
