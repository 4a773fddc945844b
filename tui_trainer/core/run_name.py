"""How a run is named and referred to."""

from __future__ import annotations

import re

from tui_trainer.errors import UsageError

LAST = "last"
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_NUMBERED = re.compile(r"run([1-9][0-9]{0,8})")


def number_of(folder: str) -> int | None:
    """`42` for `run42`, None for anything else."""
    match = _NUMBERED.fullmatch(folder)
    return int(match[1]) if match else None


def number_in(reference: str) -> int | None:
    """The number that a reference like `42` or `run42` names, else None."""
    if reference.isascii() and reference.isdigit() and 0 < len(reference) <= 9:
        return int(reference) or None
    return number_of(reference)


def check_name(name: str) -> str:
    """A name that a person gives a run, or `UsageError`."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The run name {name!r} is not allowed.",
            "Use 1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter.",
        )
    if name == LAST or number_of(name) is not None:
        raise UsageError(
            f"The run name {name!r} already means something.",
            "Choose a name other than 'last' and 'runN'.",
        )
    return name
