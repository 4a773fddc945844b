"""The dataset and the model of a run, settled before anything else: they bring the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tui_trainer.core.catalog import (
    DATASETS,
    MODELS,
    DatasetEntry,
    find_model,
    is_model_name,
    misfit,
)
from tui_trainer.core.code_names import is_code_name, parse_code_name
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_hints import hint_for_dataset
from tui_trainer.core.dataset_reference import is_own, likely_kind, parse_reference
from tui_trainer.core.default_models import default_model_of
from tui_trainer.core.presets import Preset, preset_names, preset_of_dataset, preset_of_kind
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, DatasetError, ModelError, TuitrainError

Origins = Mapping[str, tuple[Any, str]]
"""Values by the keys of their settings, and where each came from."""

PRESET = "preset"
"""The key of an error in the choice of a preset, which is no setting."""

_DEFAULT_DATASET = "digits"

FindSpec = Callable[[str, PreparationConfig], DatasetSpec | None]
"""What a dataset of a person's own was found to be when it was prepared so, if it was."""


def find_no_spec(reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
    """Of a person's own data nothing is known but how they are named."""
    return None


@dataclass(frozen=True)
class Choice:
    """The dataset and the model of a run, each with what named it.

    `described` is what is known of the dataset's samples; None where nothing is.
    """

    dataset: str
    dataset_origin: str
    model: str
    model_origin: str
    described: DatasetEntry | DatasetSpec | None


def choose(chosen: Origins, preset: str, find_spec: FindSpec) -> Choice:
    """Dataset and model; the model has no name where the dataset that would bring it is unknown."""
    dataset, dataset_origin = chosen.get("data.dataset", (_DEFAULT_DATASET, "default"))
    described = _describe(dataset, _preparation_of(chosen), find_spec)
    brought = preset_of(dataset, described, preset)
    if "model.name" in chosen:
        model, model_origin = chosen["model.name"]
    elif dataset not in DATASETS and not is_own(dataset):
        model, model_origin = "", ""
    elif "model.name" in brought:
        model, model_origin = brought["model.name"], f"preset {preset} of {dataset}"
    else:
        kind = described.kind if described is not None else likely_kind(dataset)
        model, model_origin = default_model_of(described, kind), f"default of {dataset}"
    return Choice(dataset, dataset_origin, model, model_origin, described)


def _preparation_of(chosen: Origins) -> PreparationConfig:
    prefix = "preparation."
    values = {k.removeprefix(prefix): v for k, (v, _) in chosen.items() if k.startswith(prefix)}
    return PreparationConfig(**values)


def _describe(
    dataset: str, preparation: PreparationConfig, find_spec: FindSpec
) -> DatasetEntry | DatasetSpec | None:
    """What is known of the samples of a dataset: by the catalogue, else since it was prepared."""
    is_plain = preparation == PreparationConfig(max_bad=preparation.max_bad)
    if dataset in DATASETS and is_plain:
        return DATASETS[dataset]
    if dataset not in DATASETS and not is_own(dataset):
        return None
    try:
        return find_spec(dataset, preparation)
    except TuitrainError:
        # It names nothing, or what was prepared is damaged: whoever opens it says so.
        return None


def check_choice(choice: Choice, preset: str) -> list[TuitrainError]:
    """What is wrong with a choice: names that are unknown, or that do not go together."""
    errors: list[TuitrainError] = []
    dataset, model = choice.dataset, choice.model
    if dataset not in DATASETS and not is_own(dataset):
        message = f"There is no dataset {dataset!r}, named by {choice.dataset_origin}."
        errors.append(
            DatasetError(message, hint_for_dataset(dataset, DATASETS), key="data.dataset")
        )
    elif dataset not in DATASETS:
        try:
            parse_reference(dataset)
        except TuitrainError as error:
            error.key = "data.dataset"
            errors.append(error)
    if choice.model_origin:
        errors += _check_model_name(model, choice.model_origin)
    if errors:
        return errors
    names = preset_names(dataset, model)
    if preset not in names:
        message = f"{dataset} with {model} has no preset {preset!r}."
        errors.append(ConfigError(message, hint_for(preset, names), key=PRESET))
    reason = misfit(find_model(model), choice.described) if choice.described is not None else None
    if reason is not None:
        message = f"The model does not fit {dataset}: {reason}."
        hint = "Choose another, or leave it out for the default."
        errors.append(ModelError(message, hint, key="model.name"))
    return errors


def preset_of(dataset: str, described: DatasetEntry | DatasetSpec | None, preset: str) -> Preset:
    """The dataset's settings under a preset: its own, else those for data of its kind."""
    own = preset_of_dataset(dataset, preset)
    kind = described.kind if described is not None else likely_kind(dataset)
    if own or kind is None:
        return own
    task = described.task if described is not None else "classification"
    return preset_of_kind(kind, task, preset, _count_training(described))


def _count_training(described: DatasetEntry | DatasetSpec | None) -> int | None:
    if isinstance(described, DatasetSpec):
        return described.splits["train"].count
    return (described.train_count or None) if described is not None else None


def _check_model_name(model: str, origin: str) -> list[TuitrainError]:
    if not is_model_name(model):
        message = f"There is no model {model!r}, named by {origin}."
        return [ModelError(message, hint_for(model, MODELS), key="model.name")]
    if model not in MODELS and is_code_name(model):
        try:
            parse_code_name(model)
        except ConfigError as error:
            error.key = "model.name"
            return [error]
    return []
