"""Small real things to train on, for tests of the floors that know torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.prepared import Arrays, save_prepared
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.core.specs import DatasetSpec, Kind
from tui_trainer.data.batches import Batch
from tui_trainer.data.prepare import prepare_dataset
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.train.setup import Task, set_up
from tui_trainer.train.step import StepFigures, Stepper

NUM_TRAIN, NUM_TEST = 320, 80


def stripes(entry: DatasetEntry, count: int, seed: int) -> tuple[Any, Any]:
    """Noisy images whose class shows as a bright row: learnable, and small."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(entry.classes)
    images = generator.integers(0, 60, (count, *entry.shape), dtype=np.uint8)
    rows = labels * entry.shape[1] // len(entry.classes)
    images[np.arange(count), :, rows] = 200
    return images, labels


def prepare_stripes(data_dir: Path, name: str = "mnist", seed: int = 1) -> DatasetSpec:
    """A prepared dataset in the shape of `name`, made of stripes."""
    entry = DATASETS[name]
    arrays: Arrays = {
        "train": stripes(entry, NUM_TRAIN, seed),
        "test": stripes(entry, NUM_TEST, seed + 1),
    }
    return save_prepared(data_dir, entry, arrays, "stripes for tests")


MARKERS = DatasetEntry(
    name="markers",
    title="short texts in which one of three words occurs, among noise",
    kind="tokens",
    shape=(12,),
    classes=("first", "second", "third"),
    train_count=NUM_TRAIN,
    test_count=NUM_TEST,
    origin="made for tests",
    default_model="text-bag",
    vocabulary=40,
)


def marked_texts(entry: DatasetEntry, count: int, seed: int) -> tuple[Any, Any]:
    """Texts of 3 to L noise words; token 1, 2 or 3 among them is the class: 0 pads the rest."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(entry.classes)
    width, first_noise = entry.shape[0], 1 + len(entry.classes)
    texts = generator.integers(first_noise, entry.vocabulary, (count, width), dtype=np.int32)
    lengths = generator.integers(3, width, count, endpoint=True)
    places = generator.integers(0, lengths)
    texts[np.arange(count), places] = 1 + labels
    texts[np.arange(width) >= lengths[:, None]] = 0
    return texts, labels


def prepare_tokens(data_dir: Path, patch: pytest.MonkeyPatch) -> DatasetSpec:
    """A prepared dataset of texts, put into the catalogue for the length of a test."""
    patch.setitem(DATASETS, MARKERS.name, MARKERS)
    arrays: Arrays = {
        "train": marked_texts(MARKERS, NUM_TRAIN, 1),
        "test": marked_texts(MARKERS, NUM_TEST, 2),
    }
    return save_prepared(data_dir, MARKERS, arrays, MARKERS.origin)


def prepare_kind(data_dir: Path, kind: Kind, patch: pytest.MonkeyPatch) -> DatasetSpec:
    """A small prepared dataset of a kind: digits in stripes, wine, or marked texts."""
    if kind == "tokens":
        return prepare_tokens(data_dir, patch)
    return prepare_dataset(data_dir, "wine") if kind == "table" else prepare_stripes(data_dir)


def configure(**settings: Any) -> RunConfig:
    """A configuration from settings named `part__field`; MNIST's shape unless said otherwise."""
    chosen = {"data__dataset": "mnist", "data__batch_size": 32, "training__epochs": 2} | settings
    return resolve(
        [Setting(key.replace("__", "."), value, "test") for key, value in chosen.items()]
    ).config


def make_task(data_dir: Path, **settings: Any) -> Task:
    """A task set up on the CPU with one thread."""
    settings = {"hardware__device": "cpu"} | settings
    config = configure(**settings)
    return set_up(config, data_dir, threads=1, choices=[], code=own_code(data_dir, config))


def own_code(folder: Path, config: RunConfig) -> CodeLoader:
    """What loads a user's own code, all of which may run."""
    return CodeLoader(folder, lambda name, sha256, path: None, config.training.seed)


def make_stepper(task: Task, **changes: Any) -> Stepper:
    """The stepper that a trainer would make for a task."""
    options = {
        "seed": task.config.training.seed,
        "task": task.spec.task,
        "clip_norm": task.config.optimizer.clip_norm,
        "micro_batch": task.micro_batch,
    } | changes
    return Stepper(task.model, task.optimizer, task.loss, task.precision, task.device, **options)


def take_step(stepper: Stepper, batch: Batch, *, step: int, lr: float) -> StepFigures:
    """Train on a batch; the step's figures."""
    figures = StepFigures(
        **{name: torch.zeros((), device=batch.x.device) for name in stepper.figure_names}
    )
    stepper(batch, step=step, lr=lr, figures=figures)
    return figures
