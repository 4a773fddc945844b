"""From settings of many origins to one configuration: later wins, every error at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tui_trainer.core.catalog import (
    DATASETS,
    MODELS,
    TORCHVISION,
    DatasetEntry,
    find_model,
    is_model_name,
    misfit,
)
from tui_trainer.core.code_names import is_code_name, parse_code_name
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.checks import check_optimizer, check_schedule, check_training
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import is_own, likely_kind, parse_reference
from tui_trainer.core.default_models import default_model_of
from tui_trainer.core.presets import (
    Preset,
    preset_names,
    preset_of_dataset,
    preset_of_kind,
    preset_of_model,
)
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, DatasetError, ModelError, TuitrainError


@dataclass(frozen=True)
class Setting:
    """A value for `part.field`, and where it came from: `--lr`, `tuitrain.toml` …

    `from_text` values were typed and are read in the field's type; others must be of it.
    """

    key: str
    value: Any
    origin: str
    from_text: bool = False


@dataclass(frozen=True)
class Resolved:
    """The configuration, and per setting where its value came from."""

    config: RunConfig
    origins: dict[str, str]
    preset: str


DEFAULT_PRESET = "default"
PRESET = "preset"
"""The key of an error in the choice of a preset, which is no setting."""

_DEFAULT_DATASET = "digits"
_SMOKE_EPOCHS = 2

# A value, and where it came from.
_Origins = dict[str, tuple[Any, str]]


FindSpec = Callable[[str, PreparationConfig], DatasetSpec | None]
"""What a dataset of a person's own was found to be when it was prepared so, if it was."""


def find_no_spec(reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
    """Of a person's own data nothing is known but how they are named."""
    return None


@dataclass(frozen=True)
class _Choice:
    """The dataset and the model of a run, each with what named it.

    `described` is what is known of the dataset's samples; None where nothing is.
    """

    dataset: str
    dataset_origin: str
    model: str
    model_origin: str
    described: DatasetEntry | DatasetSpec | None


def resolve(
    settings: Sequence[Setting],
    *,
    preset: str = DEFAULT_PRESET,
    unread: Sequence[TuitrainError] = (),
    find_spec: FindSpec = find_no_spec,
) -> Resolved:
    """One configuration from `settings`, ordered from weakest to strongest.

    The dataset and the model are settled first, the model by a setting, else by the dataset's
    preset, else by the dataset; the presets they bring stand below `settings`. `unread` are
    errors met in reading the settings, told with those met here. Of data that are not of the
    catalogue `find_spec` tells what they are; before they are prepared a model is chosen by what
    their name suggests.

    Raises:
        DatasetError, ModelError: the name is unknown.
        ConfigError: any other setting is unknown or wrong, or some contradict; all are named.
    """
    resolved, errors = resolve_as_far(settings, preset=preset, find_spec=find_spec)
    errors = [*unread, *errors]
    if resolved is None or errors:
        raise _combine(errors)
    return resolved


def resolve_as_far(
    settings: Sequence[Setting],
    *,
    preset: str = DEFAULT_PRESET,
    find_spec: FindSpec = find_no_spec,
) -> tuple[Resolved | None, list[TuitrainError]]:
    """The configuration without the settings that are wrong, and all that is wrong with them.

    There is no configuration where dataset, model or preset are unknown or do not go together.
    """
    chosen, errors, wrong_parts = _convert(settings)
    choice = _choose(chosen, preset, find_spec)
    wrong_choice = _check_choice(choice, preset)
    if wrong_choice:
        return None, errors + wrong_choice
    values = _brought(choice, preset) | chosen
    resolved = _build(values | _shortened(values), preset)
    return resolved, errors + _check_together(resolved.config, wrong_parts)


def _choose(chosen: _Origins, preset: str, find_spec: FindSpec) -> _Choice:
    """Dataset and model; the model has no name where the dataset that would bring it is unknown."""
    dataset, dataset_origin = chosen.get("data.dataset", (_DEFAULT_DATASET, "default"))
    described = _describe(dataset, _preparation_of(chosen), find_spec)
    brought = _preset_of(dataset, described, preset)
    if "model.name" in chosen:
        model, model_origin = chosen["model.name"]
    elif dataset not in DATASETS and not is_own(dataset):
        model, model_origin = "", ""
    elif "model.name" in brought:
        model, model_origin = brought["model.name"], f"preset {preset} of {dataset}"
    else:
        kind = described.kind if described is not None else likely_kind(dataset)
        model, model_origin = default_model_of(described, kind), f"default of {dataset}"
    return _Choice(dataset, dataset_origin, model, model_origin, described)


def _preparation_of(chosen: _Origins) -> PreparationConfig:
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


def _check_choice(choice: _Choice, preset: str) -> list[TuitrainError]:
    errors: list[TuitrainError] = []
    dataset, model = choice.dataset, choice.model
    if dataset not in DATASETS and not is_own(dataset):
        message = f"There is no dataset {dataset!r}, named by {choice.dataset_origin}."
        errors.append(DatasetError(message, hint_for(dataset, DATASETS), key="data.dataset"))
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


def _preset_of(dataset: str, described: DatasetEntry | DatasetSpec | None, preset: str) -> Preset:
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


def _check_together(config: RunConfig, wrong_parts: set[str]) -> list[TuitrainError]:
    """What is wrong between settings, of parts in which each by itself is right."""
    errors: list[TuitrainError] = []
    if not wrong_parts & {"schedule", "data"}:
        errors += check_schedule(config.schedule, config.data.validation)
    if not wrong_parts & {"training", "data"}:
        errors += check_training(config.training, config.data.validation)
    if "optimizer" not in wrong_parts:
        errors += check_optimizer(config.optimizer)
    if config.model.pretrained and not config.model.name.startswith(TORCHVISION):
        errors.append(
            ModelError(
                f"model.pretrained is for models of torchvision, not for {config.model.name}.",
                "Choose one like torchvision:resnet18, or give weights with --init-from FILE.",
                key="model.pretrained",
            )
        )
    return errors


def _brought(choice: _Choice, preset: str) -> _Origins:
    """What dataset and model bring to a configuration."""
    dataset, model = choice.dataset, choice.model
    values: _Origins = {}
    for owner, table in (
        (dataset, _preset_of(dataset, choice.described, preset)),
        (model, preset_of_model(model, preset)),
    ):
        values |= {key: (value, f"preset {preset} of {owner}") for key, value in table.items()}
    values["data.dataset"] = (dataset, choice.dataset_origin)
    values["model.name"] = (model, choice.model_origin)
    return values


def _shortened(values: _Origins) -> _Origins:
    """What a smoke run changes: two epochs, so that the second one begins too."""
    is_smoke, _ = values.get("training.smoke", (False, ""))
    return {"training.epochs": (_SMOKE_EPOCHS, "a smoke run is short")} if is_smoke else {}


def _convert(settings: Iterable[Setting]) -> tuple[_Origins, list[TuitrainError], set[str]]:
    """The settings by their keys, what is wrong with them, and the parts that those are of."""
    fields = all_fields()
    chosen: _Origins = {}
    errors: list[TuitrainError] = []
    wrong_parts = set()
    for setting in settings:
        field = fields.get(setting.key)
        if field is None:
            errors.append(
                ConfigError(
                    f"{setting.origin} names a setting that does not exist: {setting.key}.",
                    _hint_for_key(setting.key, fields),
                    key=setting.key,
                )
            )
            wrong_parts.add(setting.key.split(".", 1)[0])
            continue
        try:
            value = field.convert(setting.value, from_text=setting.from_text)
        except ValueError as error:
            errors.append(
                ConfigError(
                    f"{setting.origin} is {setting.value!r}, but {error}.",
                    "Change it, or leave it out for the value of the preset.",
                    key=setting.key,
                )
            )
            wrong_parts.add(setting.key.split(".", 1)[0])
            continue
        chosen[setting.key] = (value, setting.origin)
    return chosen, errors, wrong_parts


def _hint_for_key(key: str, valid: Iterable[str]) -> str:
    """The one setting of which `key` is the last word, else what `hint_for` finds."""
    keys = list(valid)
    ending_so = [known for known in keys if known.endswith(f".{key}")]
    return hint_for(ending_so[0] if len(ending_so) == 1 else key, keys)


def _combine(errors: Sequence[TuitrainError]) -> TuitrainError:
    if len(errors) == 1:
        return errors[0]
    lines = [f"  {error.message} {error.hint}" for error in errors]
    return ConfigError(
        "\n".join([f"{len(errors)} settings are wrong:", *lines]), "Mend them and try again."
    )


def _build(values: _Origins, preset: str) -> Resolved:
    tree: dict[str, dict[str, Any]] = {}
    origins = {}
    for key, field in all_fields().items():
        value, origin = values.get(key, (field.default, "default"))
        part, name = key.split(".", 1)
        tree.setdefault(part, {})[name] = value
        origins[key] = origin
    return Resolved(msgspec.convert(tree, RunConfig), origins, preset)
