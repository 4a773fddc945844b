"""Recipes as data: settings that a dataset or a model brings under a preset's name.

`default` is what most people want, `fast` the least time to a good result, `best` the best result
that a patient person gets, `classic` what the textbooks do. A dataset's preset may choose the
model; where a person chooses another, the rest of the preset stays.
"""

from __future__ import annotations

from typing import Any

from tui_trainer.core.specs import Kind, Task

Preset = dict[str, Any]

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

_ONE_CYCLE: Preset = {
    "optimizer.name": "adamw",
    "optimizer.weight_decay": 0.01,
    "schedule.name": "one-cycle",
    "schedule.warmup": 0.2,
}

# A constant rate, as in textbooks from before schedules were usual.
_CLASSIC: Preset = {
    "optimizer.name": "sgd",
    "optimizer.lr": 0.01,
    "optimizer.momentum": 0.9,
    "optimizer.weight_decay": 0.0,
    "schedule.name": "constant",
    "schedule.warmup": 0.0,
}

# Tables as small as these are learnt in a second or two.
_SMALL_TABLE: dict[str, Preset] = {
    "default": _ONE_CYCLE | {"training.epochs": 40, "data.batch_size": 16, "optimizer.lr": 0.003},
    "fast": _ONE_CYCLE | {"training.epochs": 12, "data.batch_size": 16, "optimizer.lr": 0.005},
    "best": _ONE_CYCLE
    | {
        "training.epochs": 100,
        "data.batch_size": 16,
        "optimizer.lr": 0.003,
        "loss.label_smoothing": 0.05,
    },
    "classic": _CLASSIC | {"model.name": "mlp", "training.epochs": 60, "data.batch_size": 16},
}

# What everyone does to photos of this size: crop from a border of 4 pixels, mirror.
_CROP_FLIP: Preset = {"augment.crop": 4, "augment.flip": 0.5}

_SMALL_PHOTOS: dict[str, Preset] = {
    "default": _ONE_CYCLE
    | _CROP_FLIP
    | {"training.epochs": 20, "data.batch_size": 128, "optimizer.lr": 0.005},
    "fast": _ONE_CYCLE
    | {
        "augment.flip": 0.5,
        "training.epochs": 8,
        "data.batch_size": 128,
        "optimizer.lr": 0.005,
    },
    "best": _ONE_CYCLE
    | _CROP_FLIP
    | {
        "model.name": "resnet-small",
        "training.epochs": 100,
        "data.batch_size": 128,
        "optimizer.lr": 0.005,
        "optimizer.weight_decay": 0.05,
        "loss.label_smoothing": 0.1,
    },
    # As the residual network of 20 layers was first trained: He et al. 2016, section 4.2.
    "classic": _CROP_FLIP
    | {
        "model.name": "resnet-small",
        "training.epochs": 164,
        "data.batch_size": 128,
        "optimizer.name": "sgd",
        "optimizer.lr": 0.1,
        "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 0.0001,
        "schedule.name": "multi-step",
        "schedule.milestones": "82,123",
        "schedule.warmup": 0.0,
    },
}

_NAMES = ("default", "fast", "best", "classic")

_DATASETS: dict[str, dict[str, Preset]] = {
    "digits": {
        "default": _ONE_CYCLE
        | {"training.epochs": 30, "data.batch_size": 64, "optimizer.lr": 0.01},
        "fast": _ONE_CYCLE | {"training.epochs": 12, "data.batch_size": 64, "optimizer.lr": 0.01},
        "best": _ONE_CYCLE
        | {
            "model.name": "resnet-small",
            "training.epochs": 60,
            "data.batch_size": 64,
            "optimizer.lr": 0.005,
            "loss.label_smoothing": 0.1,
            "augment.translate": 1,
        },
        "classic": _CLASSIC | {"model.name": "mlp", "training.epochs": 60, "data.batch_size": 32},
    },
    "mnist": {
        "default": _ONE_CYCLE
        | {"training.epochs": 5, "data.batch_size": 128, "optimizer.lr": 0.008},
        # Measured: one look at all 60,000 images is enough for 99 %; nothing is held out.
        "fast": _ONE_CYCLE
        | {
            "model.name": "convnet-small",
            "data.validation": 0.0,
            "training.epochs": 1,
            "data.batch_size": 128,
            "optimizer.lr": 0.01,
            "optimizer.beta2": 0.99,
            "loss.label_smoothing": 0.1,
        },
        "best": _ONE_CYCLE
        | {
            "training.epochs": 20,
            "data.batch_size": 128,
            "optimizer.lr": 0.005,
            "loss.label_smoothing": 0.1,
            "augment.translate": 2,
        },
        "classic": _MNIST_EXAMPLE | {"model.name": "mnist-example"},
    },
    "cifar10": _SMALL_PHOTOS,
    "cifar100": _SMALL_PHOTOS,
    "wine": _SMALL_TABLE,
    "breast-cancer": _SMALL_TABLE,
}

# For data of which only the kind is known.
_KINDS: dict[Kind, Preset] = {
    "image": _ONE_CYCLE | {"training.epochs": 20, "data.batch_size": 64, "optimizer.lr": 0.003},
    "table": _ONE_CYCLE | {"training.epochs": 40, "data.batch_size": 32, "optimizer.lr": 0.003},
    "tokens": _ONE_CYCLE | {"training.epochs": 8, "data.batch_size": 32, "optimizer.lr": 0.002},
}
# A noisy number is learnt by heart sooner than a class: more passes make it worse.
_REGRESSION_EPOCHS = 20
# Samples looked at in all, over the passes of a run, from which on more passes bring little.
_ENOUGH_SAMPLES, _FEWEST_EPOCHS = 400_000, 5
# Of few samples a batch is smaller: a handful of steps would teach little.
_SMALLEST_BATCH, _FEWEST_BATCHES = 4, 8

_MODELS: dict[str, dict[str, Preset]] = {
    "mnist-example": {
        "default": _MNIST_EXAMPLE,
        "classic": _MNIST_EXAMPLE,
    },
}


def preset_names(dataset: str, model: str) -> list[str]:
    """The presets that a dataset and a model have between them."""
    return sorted({*_NAMES, *_DATASETS.get(dataset, {}), *_MODELS.get(model, {})})


def preset_of_dataset(dataset: str, preset: str) -> Preset:
    """The dataset's settings under `preset`; none where it has no such preset."""
    return _DATASETS.get(dataset, {}).get(preset, {})


def default_preset(kind: Kind, task: Task, count: int | None = None) -> Preset:
    """What most people want for data of their own, of which about `count` samples are trained on.

    Large data are gone through less often than small ones, which need many passes for as many
    steps, and smaller batches.
    """
    preset = _KINDS[kind]
    if kind == "table" and task == "regression":
        preset = preset | {"training.epochs": _REGRESSION_EPOCHS}
    if count is None:
        return preset
    enough = _ENOUGH_SAMPLES // max(1, count)
    batch_size: int = preset["data.batch_size"]
    while batch_size > _SMALLEST_BATCH and batch_size * _FEWEST_BATCHES > count:
        batch_size //= 2
    return preset | {
        "training.epochs": max(_FEWEST_EPOCHS, min(preset["training.epochs"], enough)),
        "data.batch_size": batch_size,
    }


def preset_of_kind(kind: Kind, task: Task, preset: str, count: int | None = None) -> Preset:
    """The settings under `preset` for data that no preset is made for; as in `default_preset`."""
    values = default_preset(kind, task, count)
    epochs: int = values["training.epochs"]
    if preset == "fast":
        return values | {"training.epochs": max(2, epochs // 3)}
    if preset == "best":
        smoothing = {"loss.label_smoothing": 0.1} if task == "classification" else {}
        return values | smoothing | {"training.epochs": 3 * epochs}
    if preset == "classic":
        return _CLASSIC | {
            "training.epochs": 2 * epochs,
            "data.batch_size": values["data.batch_size"],
        }
    return values if preset == "default" else {}


def preset_of_model(model: str, preset: str) -> Preset:
    """The model's settings under `preset`; none where it has no such preset."""
    return _MODELS.get(model, {}).get(preset, {})
