"""What the dashboard remembers of its user's choices; nothing of any run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tui_trainer.core.axis import XKind
from tui_trainer.store.atomic import make_folder, replace_file

FILE = "dashboard.json"
_MAX_BYTES = 1 << 16
_Word = Annotated[str, msgspec.Meta(max_length=200)]
_Share = Annotated[float, msgspec.Meta(gt=0, le=10_000)]
_Small = Annotated[int, msgspec.Meta(ge=0, le=99)]


class Preferences(msgspec.Struct, frozen=True):
    """Choices of the person at the dashboard; what is empty or None was not chosen.

    `metrics` holds the metric of each pane by the pane's place, `sizes` how the columns and rows
    of a grid of panes share it, by its shape, `sort` the title of the column that the list of
    runs is sorted by.
    """

    theme: Literal["", "dark", "light"] = ""
    smoothing: _Small | None = None
    log: bool | None = None
    x_kind: XKind | None = None
    metrics: Annotated[dict[_Word, _Word], msgspec.Meta(max_length=100)] = msgspec.field(
        default_factory=dict
    )
    sizes: Annotated[
        dict[_Word, tuple[tuple[_Share, ...], tuple[_Share, ...]]], msgspec.Meta(max_length=100)
    ] = msgspec.field(default_factory=dict)
    page: _Small | None = None
    sort: _Word = ""
    reverse: bool = False


def read_preferences(folder: Path) -> Preferences:
    """What is remembered in the user's state folder.

    A choice that is missing, damaged or unknown to this version counts as not made.
    """
    known = msgspec.structs.fields(Preferences)
    given = _read_object(folder / FILE)
    choices: dict[str, Any] = {}
    for field in known:
        if field.name in given:
            try:
                choices[field.name] = msgspec.convert(given[field.name], field.type)
            except msgspec.ValidationError:
                continue  # as if it had not been chosen
    return Preferences(**choices)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        # What is no file, a pipe say, must not hold up the start.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            given = msgspec.json.decode(stream.read(_MAX_BYTES) or b"{}")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def write_preferences(folder: Path, changes: Mapping[str, Any]) -> Preferences:
    """Remember these choices beside the others, which another dashboard may have made since.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    preferences = msgspec.structs.replace(read_preferences(folder), **changes)
    make_folder(folder)
    content = msgspec.json.format(msgspec.json.encode(preferences), indent=2)
    replace_file(folder / FILE, content + b"\n", durable=False)
    return preferences
