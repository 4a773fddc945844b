"""The fields of the configuration as a flat table: for help, documentation and messages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import msgspec.inspect

from tui_trainer.core.config import RunConfig
from tui_trainer.errors import ConfigError


@dataclass(frozen=True)
class Field:
    """One setting, `part.field`: its type with bounds, its default and its meaning."""

    key: str
    type: Any
    default: Any
    meaning: str

    @property
    def allowed(self) -> str:
        """What the setting takes, in words: `a number above 0`, `one of sgd, adam`."""
        info = msgspec.inspect.type_info(self.type)
        if isinstance(info, msgspec.inspect.Metadata):
            info = info.type
        match info:
            case msgspec.inspect.LiteralType(values=values):
                return f"one of {', '.join(map(str, values))}"
            case msgspec.inspect.BoolType():
                return "true or false"
            case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
                noun = "a whole number" if isinstance(info, msgspec.inspect.IntType) else "a number"
                return " ".join([noun, *_bounds(info)])
        return "text" if ":" not in self.meaning else self.meaning.split(":", 1)[1].strip()

    @property
    def choices(self) -> tuple[str, ...]:
        """All values that the setting takes, as text; none where they cannot be listed."""
        hint = get_args(self.type)[0]
        if hint is bool:
            return ("false", "true")
        return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()

    def convert(self, value: Any, *, from_text: bool) -> Any:
        """The value in the field's type.

        Raises:
            ValueError: it is of another type or out of bounds.
        """
        try:
            converted = msgspec.convert(value, self.type, strict=not from_text)
        except msgspec.ValidationError as error:
            raise ValueError(f"{self.key} must be {self.allowed}") from error
        if isinstance(converted, float) and converted != converted:
            raise ValueError(f"{self.key} must be {self.allowed}")
        return converted


def _bounds(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> list[str]:
    if info.ge is not None and info.le is not None:
        return [f"from {_plain(info.ge)} to {_plain(info.le)}"]
    bounds = {"above": info.gt, "from": info.ge, "below": info.lt, "up to": info.le}
    words = [f"{word} {_plain(bound)}" for word, bound in bounds.items() if bound is not None]
    return [" and ".join(words)]


def _plain(bound: float) -> str:
    whole = bound == int(bound)
    return f"{bound:,.0f}".replace(",", " ") if whole else f"{bound:g}"


@functools.cache
def all_fields() -> dict[str, Field]:
    """Every setting by its key, in the order of the tree."""
    fields = {}
    for part, part_type in get_type_hints(RunConfig).items():
        hints = get_type_hints(part_type, include_extras=True)
        for info in msgspec.structs.fields(part_type):
            key = f"{part}.{info.name}"
            hint = hints[info.name]
            fields[key] = Field(key, hint, info.default, _meaning(hint))
    return fields


def settings_of(config: RunConfig) -> dict[str, Any]:
    """The value of every setting by its key."""
    tree: Mapping[str, Mapping[str, Any]] = msgspec.to_builtins(config)
    return {f"{part}.{name}": value for part in tree for name, value in tree[part].items()}


def _meaning(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, msgspec.Meta) and extra.description:
                return extra.description
    raise AssertionError(f"the setting of type {hint} has no meaning written to it")


def check_value(key: str, text: str, origin: str) -> None:
    """Check a value typed for the setting `key` at `origin`.

    Raises:
        ConfigError: it is not allowed.
    """
    field = all_fields()[key]
    try:
        field.convert(text, from_text=True)
    except ValueError as error:
        raise ConfigError(f"{origin} is {text!r}, but {error}.", "Give another value.") from error
