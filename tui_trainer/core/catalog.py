"""What can be trained on and what can be trained, by name, known without torch."""

from __future__ import annotations

from tui_trainer.core.code_names import is_code_name
from tui_trainer.core.dataset_entries import DATASETS
from tui_trainer.core.dataset_entry import DatasetEntry
from tui_trainer.core.dataset_hints import hint_for_dataset
from tui_trainer.core.model_entries import MODELS, ModelEntry
from tui_trainer.core.specs import KIND_NOUNS, DatasetSpec, Kind
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import DatasetError, ModelError

__all__ = [
    "DATASETS",
    "MODELS",
    "TORCHVISION",
    "DatasetEntry",
    "ModelEntry",
    "find_dataset",
    "find_model",
    "is_model_name",
    "misfit",
]

_IMAGES: tuple[Kind, ...] = ("image",)
TORCHVISION = "torchvision:"


def find_dataset(name: str) -> DatasetEntry:
    """The catalogue's entry.

    Raises:
        DatasetError: there is none of that name.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no dataset {name!r}.", hint_for_dataset(name, DATASETS))
    return DATASETS[name]


def is_model_name(name: str) -> bool:
    """Whether a model may go by this name: ours, one of torchvision's, or a user's own code.

    Of the latter two only the form is known here; the worker finds out whether they exist.
    """
    return name in MODELS or name.startswith(TORCHVISION) or is_code_name(name)


def find_model(name: str) -> ModelEntry:
    """What is known of a model: much of ours, little of torchvision's, nothing of a user's own.

    Raises:
        ModelError: there is none of that name.
    """
    if name in MODELS:
        return MODELS[name]
    if name.startswith(TORCHVISION):
        return ModelEntry(name=name, title="a model of torchvision", kinds=_IMAGES)
    if is_code_name(name):
        return ModelEntry(name=name, title="a model of your own", kinds=tuple(KIND_NOUNS))
    raise ModelError(f"There is no model {name!r}.", hint_for(name, MODELS))


def misfit(model: ModelEntry, dataset: DatasetEntry | DatasetSpec) -> str | None:
    """Why `model` cannot take the samples of `dataset`, or None where it can."""
    if dataset.kind not in model.kinds:
        nouns = " or ".join(KIND_NOUNS[kind] for kind in model.kinds)
        return f"{model.name} takes {nouns}, {dataset.name} has {KIND_NOUNS[dataset.kind]}"
    if dataset.kind != "image":
        return None
    channels, height, width = dataset.shape
    if model.side is not None and (height, width) != (model.side, model.side):
        return f"{model.name} takes images of {model.side}×{model.side}, not {height}×{width}"
    if model.channels is not None and channels != model.channels:
        return f"{model.name} takes images of {model.channels} channel(s), not {channels}"
    if min(height, width) < model.min_side:
        return f"{model.name} takes images of {model.min_side}×{model.min_side} at least"
    return None
