"""From settings of many origins to one configuration: later wins, every error at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tui_trainer.core.catalog import (
    TORCHVISION,
)
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.checks import (
    check_anomaly,
    check_balance,
    check_optimizer,
    check_schedule,
    check_training,
)
from tui_trainer.core.config.choice import (
    PRESET,
    Choice,
    FindSpec,
    check_choice,
    choose,
    find_no_spec,
    preset_of,
)
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.presets import (
    preset_of_model,
)
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, ModelError, TuitrainError

__all__ = [
    "DEFAULT_PRESET",
    "PRESET",
    "FindSpec",
    "Resolved",
    "Setting",
    "find_no_spec",
    "resolve",
    "resolve_as_far",
]


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
_SMOKE_EPOCHS = 2

# A value, and where it came from.
_Origins = dict[str, tuple[Any, str]]


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
    choice = choose(chosen, preset, find_spec)
    wrong_choice = check_choice(choice, preset)
    if wrong_choice:
        return None, errors + wrong_choice
    values = _brought(choice, preset) | chosen
    resolved = _build(values | _shortened(values), preset)
    return resolved, errors + _check_together(resolved.config, wrong_parts)


def _check_together(config: RunConfig, wrong_parts: set[str]) -> list[TuitrainError]:
    """What is wrong between settings, of parts in which each by itself is right."""
    errors: list[TuitrainError] = []
    if not wrong_parts & {"schedule", "data"}:
        errors += check_schedule(config.schedule, config.data.validation)
    if not wrong_parts & {"training", "data"}:
        errors += check_training(config.training, config.data.validation)
    if not wrong_parts & {"data", "loss"}:
        errors += check_balance(config.data, config.loss)
    if not wrong_parts & {"training", "hardware"}:
        errors += check_anomaly(config.training, config.hardware)
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


def _brought(choice: Choice, preset: str) -> _Origins:
    """What dataset and model bring to a configuration."""
    dataset, model = choice.dataset, choice.model
    values: _Origins = {}
    for owner, table in (
        (dataset, preset_of(dataset, choice.described, preset)),
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
