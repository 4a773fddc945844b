"""What can be trained on and what can be trained, by name, known without torch."""

from __future__ import annotations

import msgspec

from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import DatasetError


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that tuitrain knows how to prepare. `shape` is channels, height, width."""

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    origin: str
    importable: bool = False


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A network of our own."""

    name: str
    title: str
    min_side: int = 1
    channels: int | None = None
    side: int | None = None


_TEN_DIGITS = tuple("0123456789")

DATASETS: dict[str, DatasetEntry] = {
    entry.name: entry
    for entry in (
        DatasetEntry(
            name="digits",
            title="1,797 handwritten digits of 8×8 pixels (UCI, shipped with scikit-learn)",
            shape=(1, 8, 8),
            classes=_TEN_DIGITS,
            train_count=1438,
            test_count=359,
            origin="scikit-learn",
        ),
        DatasetEntry(
            name="mnist",
            title="70,000 handwritten digits of 28×28 pixels (LeCun, Cortes, Burges)",
            shape=(1, 28, 28),
            classes=_TEN_DIGITS,
            train_count=60_000,
            test_count=10_000,
            origin="download or import",
            importable=True,
        ),
    )
}

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="convnet",
            title="three convolutions with batch norm; the default for small images",
            min_side=8,
        ),
        ModelEntry(name="mlp", title="two hidden layers of 256"),
        ModelEntry(
            name="mnist-example",
            title="the network of the classic PyTorch MNIST article: two 5×5 convolutions, dropout",
            channels=1,
            side=28,
        ),
    )
}

_DEFAULT_MODELS = {"digits": "convnet", "mnist": "convnet"}


def default_model(dataset: str) -> str:
    """The model trained on `dataset` where none is named."""
    return _DEFAULT_MODELS[dataset]


def find_dataset(name: str) -> DatasetEntry:
    """The catalogue's entry.

    Raises:
        DatasetError: there is none of that name.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no dataset {name!r}.", hint_for(name, DATASETS))
    return DATASETS[name]


def misfit(model: ModelEntry, dataset: DatasetEntry) -> str | None:
    """Why `model` cannot take the images of `dataset`, or None where it can."""
    channels, height, width = dataset.shape
    if model.side is not None and (height, width) != (model.side, model.side):
        return f"{model.name} takes images of {model.side}×{model.side}, not {height}×{width}"
    if model.channels is not None and channels != model.channels:
        return f"{model.name} takes images of {model.channels} channel(s), not {channels}"
    if min(height, width) < model.min_side:
        return f"{model.name} takes images of {model.min_side}×{model.min_side} at least"
    return None
