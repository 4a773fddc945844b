"""Recipes as data: settings that a dataset or a model brings under a preset's name."""

from __future__ import annotations

from typing import Any

Preset = dict[str, Any]

_DATASETS: dict[str, dict[str, Preset]] = {
    "digits": {
        "default": {
            "training.epochs": 30,
            "data.batch_size": 64,
            "optimizer.name": "adamw",
            "optimizer.lr": 0.01,
            "optimizer.weight_decay": 0.01,
            "schedule.name": "one-cycle",
            "schedule.warmup": 0.2,
        },
    },
    "mnist": {
        "default": {
            "training.epochs": 5,
            "data.batch_size": 128,
            "optimizer.name": "adamw",
            "optimizer.lr": 0.008,
            "optimizer.weight_decay": 0.01,
            "schedule.name": "one-cycle",
            "schedule.warmup": 0.2,
        },
    },
}

# The recipe of the article that most people first meet MNIST by: it trains on all images.
_MNIST_EXAMPLE: Preset = {
    "data.validation": 0.0,
    "training.epochs": 10,
    "data.batch_size": 64,
    "optimizer.name": "sgd",
    "optimizer.lr": 0.01,
    "optimizer.momentum": 0.5,
    "optimizer.weight_decay": 0.0,
    "schedule.name": "constant",
    "schedule.warmup": 0.0,
}

_MODELS: dict[str, dict[str, Preset]] = {
    "mnist-example": {
        "default": _MNIST_EXAMPLE,
        "classic": _MNIST_EXAMPLE,
    },
}


def preset_names(dataset: str, model: str) -> list[str]:
    """The presets that a dataset and a model have between them."""
    return sorted({"default"} | _DATASETS.get(dataset, {}).keys() | _MODELS.get(model, {}).keys())


def preset_of_dataset(dataset: str, preset: str) -> Preset:
    """The dataset's settings under `preset`; none where it has no such preset."""
    return _DATASETS.get(dataset, {}).get(preset, {})


def preset_of_model(model: str, preset: str) -> Preset:
    """The model's settings under `preset`; none where it has no such preset."""
    return _MODELS.get(model, {}).get(preset, {})
