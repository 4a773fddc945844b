"""Small real things to train on, for tests of the floors that know torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepared import Arrays, save_prepared
from tui_trainer.train.setup import Task, set_up

NUM_TRAIN, NUM_TEST = 320, 80


def stripes(entry: DatasetEntry, count: int, seed: int) -> tuple[Any, Any]:
    """Noisy images whose class shows as a bright row: learnable, and small."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(entry.classes)
    images = generator.integers(0, 60, (count, *entry.shape), dtype=np.uint8)
    rows = labels * entry.shape[1] // len(entry.classes)
    images[np.arange(count), :, rows] = 200
    return images, labels


def prepare_stripes(data_dir: Path, name: str = "mnist") -> DatasetSpec:
    """A prepared dataset in the shape of `name`, made of stripes."""
    entry = DATASETS[name]
    arrays: Arrays = {"train": stripes(entry, NUM_TRAIN, 1), "test": stripes(entry, NUM_TEST, 2)}
    return save_prepared(data_dir, entry, arrays, "stripes for tests")


def configure(**settings: Any) -> RunConfig:
    """A configuration from settings named `part__field`; MNIST's shape unless said otherwise."""
    chosen = {"data__dataset": "mnist", "data__batch_size": 32, "training__epochs": 2} | settings
    return resolve(
        [Setting(key.replace("__", "."), value, "test") for key, value in chosen.items()]
    ).config


def make_task(data_dir: Path, **settings: Any) -> Task:
    """A task set up on the CPU with one thread."""
    settings = {"hardware__device": "cpu"} | settings
    return set_up(configure(**settings), data_dir, threads=1, choices=[])
