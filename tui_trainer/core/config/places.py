"""Settings that name files: made whole, so that a run can go on from any folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from tui_trainer.core.code_names import (
    absolute,
    absolute_metrics,
    is_code_name,
    parse_metric_names,
)
from tui_trainer.core.config import RunConfig
from tui_trainer.core.dataset_reference import code_parts, is_own, settle_reference
from tui_trainer.errors import ConfigError

_TYPED = {
    "data.dataset": ("the command line", "--set data.dataset"),
    "model.name": ("--model", "--set model.name"),
    "loss.name": ("--loss", "--set loss.name"),
    "training.metrics": ("--metrics", "--set training.metrics"),
}


def settle_paths(config: RunConfig, folder: Path) -> RunConfig:
    """The same configuration, every file's path in it made absolute from `folder`.

    Raises:
        ConfigError, DatasetError: a path cannot be.
    """
    data = config.data
    if is_own(data.dataset):
        data = replace(data, dataset=settle_reference(data.dataset, folder))
    model, loss, training = config.model, config.loss, config.training
    if is_code_name(model.name):
        model = replace(model, name=absolute(model.name, folder))
    if model.init_from:
        model = replace(model, init_from=_absolute_file(model.init_from, folder))
    if is_code_name(loss.name):
        loss = replace(loss, name=absolute(loss.name, folder))
    if training.metrics:
        training = replace(training, metrics=absolute_metrics(training.metrics, folder))
    return replace(config, data=data, model=model, loss=loss, training=training)


def named_code(config: RunConfig, origins: Mapping[str, str]) -> tuple[str, ...]:
    """The user's own code that was named on the command line, of a settled configuration.

    `origins` tell where each setting came from. What a file or the environment names does not
    count: whoever types a command need not know what stands there.
    """
    named = {
        "data.dataset": code_parts(config.data.dataset),
        "model.name": [config.model.name],
        "loss.name": [config.loss.name],
        "training.metrics": parse_metric_names(config.training.metrics),
    }
    return tuple(
        name
        for key, names in named.items()
        if origins[key] in _TYPED[key]
        for name in names
        if is_code_name(name)
    )


def _absolute_file(text: str, folder: Path) -> str:
    try:
        return str(folder.absolute() / Path(text).expanduser())
    except RuntimeError as error:
        raise ConfigError(
            f"The home folder in {text!r} is not known.", "Write the path out."
        ) from error
