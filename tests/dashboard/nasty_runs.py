"""Runs whose files hold what no trainer would write, though the CRC of every line is right."""

from __future__ import annotations

import json
import random
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from tests.builders import SESSION
from tui_trainer.core import events
from tui_trainer.core.sealed_json import Number, seal

TEXTS = (
    "", "loss", "accuracy", "validation", "train", "step", "t", "é漢字🙂" * 20, "-", "9", "nan",
    "\x1b[2J\x1b]52;c;eA==\x07", "\x9b31m", "\u202egpj.exe", "a\nb\r\tc", "\u0301\u200d🙂",
    "[@click=app.quit]x[/]", "[red]", "[/]", "[", "#id .class", "../../etc", "x" * 5000, "%s {}",
)  # fmt: skip
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 5e-324, 1e-9, 1e10, 1e308, -1e308)
INTEGERS = (0, 1, 1, 2, 10, 21, 30, -1, 10**6, 2**53, 2**63 - 1, -(2**63))
TOO_LARGE = (2**63, 10**30, 10**400)


def nasty_line(choose: random.Random, kind: type[events.Event] | None = None) -> bytes:
    """A line of a log that is an event of some kind, of values that it should not have."""
    kind = kind or choose.choice(tuple(events.KINDS.values()))
    content = _fields_of(kind, choose) | {"v": 1}
    if choose.random() < 0.7:
        # In the order of a log, so that it is not all passed over.
        content |= {"elapsed_s": choose.random() * 100, "t": 1.7e9 + choose.random() * 100}
    if "session" in content and choose.random() < 0.7:
        content["session"] = SESSION
    whole = {"kind": kind.__struct_config__.tag, **content}
    return seal(json.dumps(whole, separators=(",", ":")).encode())


def nasty_annotations(choose: random.Random) -> bytes:
    """What a person may have added to a run, or somebody else in their place."""
    name, note, *tags = choose.choices(TEXTS, k=choose.randrange(2, 6))
    content = {"name": name, "note": note, "tags": tags}
    return seal(json.dumps(content).encode())


def append_nasty(log: Path, choose: random.Random, count: int) -> None:
    """Write so many lines at the end of a log."""
    with open(log, "ab") as file:
        for _ in range(count):
            file.write(nasty_line(choose))


def _fields_of(kind: Any, choose: random.Random) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: _value_of(hints[name], choose) for name in kind.__struct_fields__ if name != "v"}


def _value_of(kind: Any, choose: random.Random) -> Any:
    if kind is Number:
        return choose.choice((*NUMBERS, "nan", "inf", "-inf"))
    simple = {float: NUMBERS, str: TEXTS, bool: (True, False), type(None): (None,)}
    if kind in simple:
        return choose.choice(simple[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated and arguments[0] is int:
        return choose.choice(INTEGERS if choose.random() < 0.99 else TOO_LARGE)
    if origin is Annotated:
        return choose.choice((0.0, 1.0, 1.7e9, 9e10))
    if origin is Literal:
        return choose.choice(arguments)
    if origin in (Union, types.UnionType):
        return _value_of(choose.choice(arguments), choose)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return [_value_of(argument, choose) for argument in arguments]
    if origin is tuple:
        return [_value_of(arguments[0], choose) for _ in range(choose.randrange(4))]
    if origin is dict:
        return {
            choose.choice(TEXTS): _value_of(arguments[1], choose)
            for _ in range(choose.randrange(4))
        }
    assert issubclass(kind, msgspec.Struct), kind
    return _fields_of(kind, choose)
