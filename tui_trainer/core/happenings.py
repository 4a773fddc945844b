"""What happened in a run, as lines for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

from tui_trainer.core import events
from tui_trainer.core.format import format_count, format_metric
from tui_trainer.core.text_safety import sanitize

_TEXT_LIMIT = 600
_REQUESTS = {
    "pause": "paused the run",
    "continue": "let the run go on",
    "checkpoint": "asked for a checkpoint",
    "evaluate": "asked for a validation",
    "stop": "stopped the run",
    "stop-after-epoch": "asked for a stop when the epoch ends",
}


@dataclass(frozen=True)
class Happening:
    """One line of a run's history.

    `t` is Unix time; `kind` is one word; `level` is `info`, `good`, `warning` or `error`. Text
    from the log is safe to print.
    """

    t: float
    kind: str
    text: str
    level: str = "info"
    hint: str = ""


ROUTINE = ("validation", "checkpoint", "train")
"""Kinds that every epoch brings; left alone, they would push out of sight what is rare."""


def without_routine(happenings: Sequence[Happening], most: int) -> list[Happening]:
    """The happenings without the older ones of each routine kind that was seen more often."""
    kept, numbers = [], dict.fromkeys(ROUTINE, 0)
    for happening in reversed(happenings):
        if happening.kind in numbers and happening.level in ("info", "good"):
            numbers[happening.kind] += 1
            if numbers[happening.kind] > most:
                continue
        kept.append(happening)
    return kept[::-1]


def describe_event(event: events.Event) -> Happening | None:
    """The event as a happening; None for those that only carry numbers for the charts."""
    return _describe(event)


def _line(
    event: events.Event, kind: str, text: str, level: str = "info", hint: str = ""
) -> Happening:
    safe_text, safe_hint = sanitize(text, limit=_TEXT_LIMIT), sanitize(hint, limit=_TEXT_LIMIT)
    return Happening(event.t, sanitize(kind, limit=16), safe_text, level, safe_hint)


@singledispatch
def _describe(event: events.Event) -> Happening | None:
    return None


@_describe.register
def _(event: events.RunStarted) -> Happening | None:
    return _line(event, "started", f"on {event.device}")


@_describe.register
def _(event: events.Resumed) -> Happening | None:
    step = format_count(event.from_step)
    how = f", {event.exactness}" if event.from_step else ""
    return _line(event, "resumed", f"from step {step} on {event.device}{how}")


@_describe.register
def _(event: events.Evaluated) -> Happening | None:
    parts = [f"{name} {format_metric(float(value))}" for name, value in event.metrics.items()]
    asked = f"step {format_count(event.step)}, asked for"
    parts.append(asked if event.by_request else f"epoch {event.epoch}")
    return _line(event, event.split, "  ".join(parts))


@_describe.register
def _(event: events.CheckpointSaved) -> Happening | None:
    best, level = ("  best", "good") if event.best else ("", "info")
    return _line(event, "checkpoint", f"step {format_count(event.step)}{best}", level)


@_describe.register
def _(event: events.CheckpointFailed) -> Happening | None:
    newest = f"the newest is of step {format_count(event.newest_step)}"
    newest = newest if event.newest_step else "there is none yet"
    text = f"{event.reason} Training goes on; {newest}."
    return _line(event, "checkpoint", text, "warning")


@_describe.register
def _(event: events.Diagnosed) -> Happening | None:
    level = "error" if event.severity == "error" else "warning"
    return _line(event, event.code, event.seen, level, event.advice)


@_describe.register
def _(event: events.ControlApplied) -> Happening | None:
    did = _REQUESTS.get(event.request, f"set {describe_request(event)}")
    return _line(event, "control", f"{event.by} {did} at step {format_count(event.step)}")


@_describe.register
def _(event: events.ControlRefused) -> Happening | None:
    text = f"{event.request} by {event.by} was refused: {event.reason}"
    return _line(event, "control", text, "warning")


@_describe.register
def _(event: events.Message) -> Happening | None:
    level = event.level if event.level in ("warning", "error") else "info"
    return _line(event, "message", event.text, level)


@_describe.register
def _(event: events.Finished) -> Happening | None:
    return _line(event, "finished", event.reason, "good")


@_describe.register
def _(event: events.Stopped) -> Happening | None:
    return _line(event, "stopped", f"by {event.by} at step {format_count(event.step)}")


@_describe.register
def _(event: events.Failed) -> Happening | None:
    return _line(event, "failed", event.message, "error", event.hint)


def describe_request(event: events.ControlApplied) -> str:
    """A request in a few words: `pause`, `lr 0.05→0.01`."""
    if event.request != "set":
        return event.request
    before = event.arguments.get("before")
    parts = []
    for name, value in event.arguments.items():
        if name != "before":
            old = f"{_shown(before)}→" if before is not None and name == "lr" else ""
            parts.append(f"{name} {old}{_shown(value)}")
    return ", ".join(parts) or "set"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
