"""The progress of a run: two live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tui_trainer.cli.follow import Display
from tui_trainer.cli.output import say, talk_console
from tui_trainer.core.events import (
    Diagnosed,
    EpochFinished,
    Evaluated,
    Event,
    Message,
    Number,
    Resumed,
    SessionStart,
)
from tui_trainer.core.format import (
    format_bytes,
    format_count,
    format_duration,
    format_metric,
    format_rate,
)
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState, remaining_s
from tui_trainer.core.text_safety import sanitize

if TYPE_CHECKING:
    from rich.text import Text

_BAR_WIDTH = 20


def make_display() -> Display:
    """The display that fits standard error."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def describe_event(event: Event, epochs: list[EpochFinished], snapshot: RunSnapshot) -> str | None:
    """The line an event is worth in a terminal's history, or None.

    `epochs` keeps a finished epoch until its validation has come, so that one line tells both.
    """
    if isinstance(event, SessionStart):
        return _start_line(event)
    if isinstance(event, EpochFinished):
        if snapshot.validation_count:
            epochs.append(event)
            return None
        return _epoch_line(event, None, snapshot)
    if isinstance(event, Evaluated) and event.split == "validation" and epochs:
        return _epoch_line(epochs.pop(), event, snapshot)
    if isinstance(event, Message):
        return event.text
    if isinstance(event, Diagnosed):
        return f"{event.code}: {event.seen} {event.advice}"
    return None


def _start_line(event: SessionStart) -> str:
    begin = f"resumed at step {format_count(event.from_step)}" if isinstance(event, Resumed) else ""
    counts = f"{format_count(event.train_count)} samples, {format_count(event.validation_count)}"
    parts = [
        f"{event.dataset} · {event.model} ({format_count(event.parameters)} parameters)",
        f"{event.device} {event.device_name}",
        f"{counts} for validation",
        f"{event.epochs} epochs of {format_count(event.steps_per_epoch)} steps",
        begin,
    ]
    return "  ".join(part for part in parts if part)


def _epoch_line(epoch: EpochFinished, judged: Evaluated | None, snapshot: RunSnapshot) -> str:
    total = str(snapshot.epochs)
    parts = [
        f"epoch {epoch.epoch:>{len(total)}}/{total}",
        f"loss {_metric(epoch.train, 'loss')}",
        f"accuracy {_metric(epoch.train, 'accuracy')}",
    ]
    if judged is not None:
        best = snapshot.best is not None and snapshot.best.step == judged.step
        parts += [
            f"validation loss {_metric(judged.metrics, 'loss')}",
            f"accuracy {_metric(judged.metrics, 'accuracy')}{' best' if best else '     '}",
        ]
    parts.append(f"{format_rate(float(epoch.samples_per_s))} samples/s")
    parts.append(format_duration(epoch.duration_s))
    return "  ".join(parts)


def _metric(metrics: Mapping[str, Number], name: str) -> str:
    value = metrics.get(name)
    return format_metric(None if value is None else float(value))


class PlainProgress:
    """One plain line an epoch."""

    def __init__(self) -> None:
        self._epochs: list[EpochFinished] = []

    def show(self, events: list[Event], record: RunRecord) -> None:
        """Print what is worth a line."""
        for event in events:
            line = describe_event(event, self._epochs, record.snapshot)
            if line is not None:
                say(f"{record.run}  {line}")

    def close(self) -> None:
        """Nothing is left open."""


class LiveProgress:
    """Two lines that stay at the bottom, under a line for each epoch."""

    def __init__(self) -> None:
        from rich.live import Live

        self._epochs: list[EpochFinished] = []
        console = talk_console()
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._live.start()

    def show(self, events: list[Event], record: RunRecord) -> None:
        """Print the history and refresh the two lines."""
        from rich.text import Text

        for event in events:
            line = describe_event(event, self._epochs, record.snapshot)
            if line is not None:
                self._live.console.print(Text(sanitize(line)))
        self._live.update(render_progress(record, self._live.console.width))

    def close(self) -> None:
        """Take the two lines away."""
        self._live.stop()


def render_progress(record: RunRecord, width: int) -> Text:
    """The two live lines, cut to the width of the terminal."""
    from rich.text import Text

    snapshot = record.snapshot
    share = min(1.0, snapshot.step / snapshot.steps) if snapshot.steps else 0.0
    filled = round(share * _BAR_WIDTH)
    epoch = min(snapshot.epoch + 1, snapshot.epochs)
    first = Text.assemble(
        (f"{record.title}  ", "bold"),
        ("▰" * filled, "cyan"),
        ("▱" * (_BAR_WIDTH - filled), "dim"),
        f" {share:>4.0%}  ",
        _state_word(record.state),
        ("  epoch ", "dim"),
        f"{epoch}/{snapshot.epochs}",
        ("  step ", "dim"),
        f"{format_count(snapshot.step)}/{format_count(snapshot.steps)}",
    )
    left_s = remaining_s(snapshot)
    validation = snapshot.last.get("validation", {}).get("accuracy")
    second = Text.assemble(
        ("loss ", "dim"),
        f"{format_metric(snapshot.loss):<8}",
        ("  validation accuracy ", "dim"),
        f"{format_metric(validation):<6}",
        f"  {format_rate(snapshot.samples_per_s):>8}",
        (" samples/s", "dim"),
        ("  left ", "dim"),
        f"{format_duration(left_s) if left_s is not None else '–':<6}",
        ("  memory ", "dim"),
        _memory(snapshot),
    )
    for line in (first, second):
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join([first, second])


def _state_word(state: RunState) -> tuple[str, str]:
    colours = {
        RunState.RUNNING: "green",
        RunState.STARTING: "cyan",
        RunState.PAUSED: "yellow",
        RunState.STOPPING: "yellow",
        RunState.FAILED: "red",
        RunState.INTERRUPTED: "red",
    }
    return state.value, colours.get(state, "")


def _memory(snapshot: RunSnapshot) -> str:
    resources = snapshot.resources
    if resources is None:
        return "–"
    if resources.device is not None:
        total = resources.device.total_bytes
        of_total = f" of {format_bytes(total)}" if total else ""
        return f"{format_bytes(resources.device.reserved_bytes)}{of_total}"
    return format_bytes(resources.process_bytes)
