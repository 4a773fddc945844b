"""From settings of many origins to one configuration: later wins, every error at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tui_trainer.core.catalog import DATASETS, MODELS, default_model, misfit
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.presets import preset_names, preset_of_dataset, preset_of_model
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


def resolve(
    settings: Sequence[Setting],
    *,
    preset: str = DEFAULT_PRESET,
    unread: Sequence[TuitrainError] = (),
) -> Resolved:
    """One configuration from `settings`, ordered from weakest to strongest.

    The dataset and the model are settled first; the presets they bring stand below `settings`.
    `unread` are errors met in reading the settings, told with those met here.

    Raises:
        DatasetError, ModelError: the name is unknown.
        ConfigError: any other setting is unknown or wrong; all are named.
    """
    chosen, errors = _convert(settings)
    errors = [*unread, *errors]
    dataset, dataset_origin = chosen.get("data.dataset", ("digits", "default"))
    if dataset not in DATASETS:
        message = f"There is no dataset {dataset!r}, named by {dataset_origin}."
        errors.append(DatasetError(message, hint_for(dataset, DATASETS)))
    model, model_origin = chosen.get("model.name", (None, ""))
    if model is None and dataset in DATASETS:
        model = default_model(dataset)
    if model is not None and model not in MODELS:
        message = f"There is no model {model!r}, named by {model_origin}."
        errors.append(ModelError(message, hint_for(model, MODELS)))
    names = preset_names(dataset, model)
    if preset not in names and dataset in DATASETS and model in MODELS:
        errors.append(
            ConfigError(
                f"{dataset} with {model} has no preset {preset!r}.", hint_for(preset, names)
            )
        )
    if dataset in DATASETS and model in MODELS:
        reason = misfit(MODELS[model], DATASETS[dataset])
        if reason is not None:
            message = f"The model does not fit {dataset}: {reason}."
            errors.append(ModelError(message, "Choose another, or leave it out for the default."))
    if errors:
        raise _combine(errors)
    values: dict[str, tuple[Any, str]] = {
        "data.dataset": (dataset, "default"),
        "model.name": (model, f"default of {dataset}"),
    }
    for owner, table in (
        (dataset, preset_of_dataset(dataset, preset)),
        (model, preset_of_model(model, preset)),
    ):
        values |= {key: (value, f"preset {preset} of {owner}") for key, value in table.items()}
    return _build(values | chosen, preset)


def _convert(
    settings: Iterable[Setting],
) -> tuple[dict[str, tuple[Any, str]], list[TuitrainError]]:
    fields = all_fields()
    chosen: dict[str, tuple[Any, str]] = {}
    errors: list[TuitrainError] = []
    for setting in settings:
        field = fields.get(setting.key)
        if field is None:
            errors.append(
                ConfigError(
                    f"{setting.origin} names a setting that does not exist: {setting.key}.",
                    hint_for(setting.key, fields),
                )
            )
            continue
        try:
            value = field.convert(setting.value, from_text=setting.from_text)
        except ValueError as error:
            errors.append(
                ConfigError(
                    f"{setting.origin} is {setting.value!r}, but {error}.",
                    "Change it, or leave it out for the value of the preset.",
                )
            )
            continue
        chosen[setting.key] = (value, setting.origin)
    return chosen, errors


def _combine(errors: Sequence[TuitrainError]) -> TuitrainError:
    if len(errors) == 1:
        return errors[0]
    lines = [f"  {error.message} {error.hint}" for error in errors]
    return ConfigError(
        "\n".join([f"{len(errors)} settings are wrong:", *lines]), "Mend them and try again."
    )


def _build(values: dict[str, tuple[Any, str]], preset: str) -> Resolved:
    tree: dict[str, dict[str, Any]] = {}
    origins = {}
    for key, field in all_fields().items():
        value, origin = values.get(key, (field.default, "default"))
        part, name = key.split(".", 1)
        tree.setdefault(part, {})[name] = value
        origins[key] = origin
    return Resolved(msgspec.convert(tree, RunConfig), origins, preset)
