"""A run's logs as lines for a person."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator

import msgspec

from tui_trainer.core.events import Event, kind_of
from tui_trainer.core.text_safety import sanitize
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_folder import RunFolder

_MAX_LINE = 400


def has_worker_log(folder: RunFolder) -> bool:
    """Whether the worker has printed anything."""
    return folder.worker_log.exists() and folder.worker_log.stat().st_size > 0


def tail_worker_log(folder: RunFolder) -> Iterator[list[str]]:
    """At each turn, the lines the worker printed since the last; of a rewritten line its end."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    offset, rest = 0, ""
    while True:
        content = b""
        if folder.worker_log.exists():
            with open(folder.worker_log, "rb") as file:
                file.seek(offset)
                content = file.read()
        offset += len(content)
        *lines, rest = (rest + decode(content)).split("\n")
        if not content and rest:
            lines, rest = [rest], ""
        yield [sanitize(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in lines]


def tail_events(folder: RunFolder) -> Iterator[list[str]]:
    """At each turn, a line for each event since the last."""
    reader = EventLogReader(folder.events)
    while True:
        lines, at_end = [], False
        while not at_end:
            batch = reader.read()
            lines += [_describe(event) for event in batch.events]
            at_end = batch.at_end
        yield lines


def _describe(event: Event) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(event.t))
    fields = msgspec.to_builtins(event)
    for name in ("v", "t", "kind", "elapsed_s", "seq"):
        fields.pop(name, None)
    words = ", ".join(f"{name} {_short(value)}" for name, value in fields.items())
    return sanitize(f"{clock}  {event.seq:>6}  {kind_of(event):<16} {words}", limit=_MAX_LINE)


def _short(value: object) -> str:
    if isinstance(value, list | tuple) and len(value) > 4:
        return f"[{value[0]} … {value[-1]}, {len(value)} values]"
    return str(value)
