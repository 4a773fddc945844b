"""The settings of the configuration as options of commands."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from tui_trainer.core.config.fields import all_fields

# Fields that need their part's name to be understood: `--checkpoints-keep`.
_PREFIXED_PARTS = {"checkpoints", "tensorboard"}
# Those whose name alone would mean something else.
_RENAMED = {"preparation.test": "test_share", "preparation.seed": "split_seed"}
_ARGUMENT = "data.dataset"
_METAVARS = {"a whole number": "N", "a number": "X", "one of": "NAME", "true or": ""}


def _option_of(key: str) -> str:
    part, name = key.split(".", 1)
    if key in _RENAMED:
        return _RENAMED[key]
    if part in _PREFIXED_PARTS:
        return f"{part}_{name}"
    return part if name == "name" else name


SETTING_OPTIONS = {_option_of(key): key for key in all_fields() if key != _ARGUMENT}
"""Options of `train` that are a setting of the configuration, by its key."""


def setting_option(name: str) -> Any:
    """An option that is a setting: read as text, checked with every other setting at once."""
    key = SETTING_OPTIONS[name]
    field = all_fields()[key]
    flag = f"--{name.replace('_', '-')}"
    starts = (metavar for start, metavar in _METAVARS.items() if field.allowed.startswith(start))
    metavar = next(starts, "TEXT") or None
    choices = f" ({field.allowed})" if field.allowed.startswith("one of") else ""
    meaning = field.meaning.split(":")[0] + choices if choices else field.meaning
    return typer.Option(
        f"{flag}/--no-{flag[2:]}" if metavar is None else flag,
        help=f"{meaning[0].upper()}{meaning[1:]}.",
        metavar=metavar,
        show_default=False,
    )


def with_options_of(*parts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the settings of some parts as options, of all where none is named.

    It gets those given as `flags`, by option. A switch arrives as `true` or `false`, like any
    setting: as text.
    """
    names = [
        name for name, key in SETTING_OPTIONS.items() if not parts or key.split(".")[0] in parts
    ]
    return lambda command: _with_options(command, names)


def with_setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every setting as an option, as `with_options_of` does."""
    return with_options_of()(command)


def _with_options(command: Callable[..., None], names: list[str]) -> Callable[..., None]:
    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        flags = {name: arguments.pop(name) for name in names}
        given = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in flags.items()
            if value is not None
        }
        command(flags=given, **arguments)

    signature = inspect.signature(command, eval_str=True)
    own = [p for name, p in signature.parameters.items() if name != "flags"]
    settings = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[_type_of(SETTING_OPTIONS[name]), setting_option(name)],
        )
        for name in names
    ]
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    parameters = [*keywords, *settings]
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _type_of(key: str) -> Any:
    return bool | None if all_fields()[key].allowed == "true or false" else str | None
