"""Where settings come from: files and the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.resolve import Setting
from tui_trainer.errors import ConfigError, StorageError
from tui_trainer.store.plain_file import read_plain

_PREFIX = "TUITRAIN__"


def read_settings(file: Path) -> list[Setting]:
    """The settings of a TOML file of `[part]` tables.

    Raises:
        ConfigError: the file is missing or is not TOML.
    """
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"The configuration file {file} does not exist.", "Check the path given to --config."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The configuration file {file} cannot be read: {error}.",
            "Check the path and its rights.",
        ) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"The configuration file {file} is not TOML: {error}.", "Mend that line."
        ) from error
    return list(_flatten(tree, file.name))


def _flatten(tree: Mapping[str, Any], origin: str) -> list[Setting]:
    settings = []
    for part, table in tree.items():
        # An empty table of an unknown name is an unknown key too.
        if isinstance(table, Mapping) and (table or part in RunConfig.__struct_fields__):
            settings += [Setting(f"{part}.{name}", value, origin) for name, value in table.items()]
        else:
            settings.append(Setting(part, table, origin))
    return settings


def project_settings(folder: Path) -> list[Setting]:
    """The settings of `tuitrain.toml` in `folder`, where there is one."""
    file = folder / paths.PROJECT_CONFIG
    return read_settings(file) if file.exists() else []


def environment_settings(environment: Mapping[str, str] = os.environ) -> list[Setting]:
    """The settings of variables named `TUITRAIN__PART__FIELD`."""
    return [
        Setting(".".join(name[len(_PREFIX) :].lower().split("__", 1)), value, name, from_text=True)
        for name, value in sorted(environment.items())
        if name.startswith(_PREFIX)
    ]


def parse_assignment(text: str) -> Setting:
    """The setting in `part.field=value`, as given to --set.

    Raises:
        ConfigError: there is no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} has no value.", "Write it as --set part.field=value.")
    return Setting(key.strip(), value.strip(), f"--set {key.strip()}", from_text=True)


def encode_config(config: RunConfig) -> bytes:
    """The configuration as TOML."""
    return tomli_w.dumps(msgspec.to_builtins(config)).encode()


def read_config(run: Path) -> RunConfig:
    """The configuration of a run.

    Raises:
        StorageError: it is missing or damaged.
    """
    file = run / paths.CONFIG
    try:
        tree = tomllib.loads(read_plain(file).decode())
        return msgspec.convert(tree, RunConfig)
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(
            f"{file} is missing or damaged: {error}.", "Restore it from a copy of the run folder."
        ) from error
