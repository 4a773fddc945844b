"""The progress of a run: two live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tui_trainer.cli.follow import Display
from tui_trainer.cli.output import say, talk_console
from tui_trainer.core.dataset_reference import short_reference
from tui_trainer.core.events import (
    Best,
    CheckpointFailed,
    ControlApplied,
    ControlRefused,
    Diagnosed,
    EpochFinished,
    Evaluated,
    Event,
    Message,
    Resumed,
    SessionStart,
)
from tui_trainer.core.format import (
    format_bytes,
    format_count,
    format_counted,
    format_duration,
    format_metric,
    format_rate,
)
from tui_trainer.core.happenings import describe_event
from tui_trainer.core.progress import progress_share, remaining_s
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.core.sealed_json import Number
from tui_trainer.core.text_safety import sanitize

if TYPE_CHECKING:
    from rich.text import Text

_BAR_WIDTH = 20
_NO_LIMIT = 10_000
_METRIC_LIMIT = 16

Part = tuple[int, str]
"""A piece of a line and its rank: the higher, the sooner it is left out."""


def make_display() -> Display:
    """The display that fits standard error."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def history_line(
    event: Event,
    epochs: list[EpochFinished],
    snapshot: RunSnapshot,
    width: int = _NO_LIMIT,
    bests: Collection[int] = (),
) -> str | None:
    """The line an event is worth in a terminal's history, or None.

    `epochs` keeps a finished epoch until its validation has come, so that one line tells both.
    Where the line is wider than `width` its least needed parts are left out. `bests` are steps
    known to have been the best so far when they were judged, as `best_steps` finds them.
    """
    if isinstance(event, SessionStart):
        return _fit(_start_parts(event), width)
    if isinstance(event, EpochFinished):
        if snapshot.validation_count:
            epochs.append(event)
            return None
        return _fit(_epoch_parts(event, None, snapshot), width)
    if isinstance(event, Evaluated) and event.chooses and epochs:
        return _fit(_epoch_parts(epochs.pop(), event, snapshot, bests), width)
    if isinstance(event, _TOLD) or (isinstance(event, Evaluated) and event.by_request):
        happening = describe_event(event)
        code = f"{event.code}: " if isinstance(event, Diagnosed) else ""
        return f"{code}{happening.text} {happening.hint}".rstrip() if happening else None
    return None


_TOLD = (CheckpointFailed, ControlApplied, ControlRefused, Diagnosed, Message)


def best_steps(events: list[Event], best: Best | None) -> set[int]:
    """The steps that were the best so far when `events` judged them, where `best` was it before.

    The snapshot, which is of the last event, knows only the last of them.
    """
    steps, metric = set(), "accuracy" if best is None else best.metric
    for event in events:
        if isinstance(event, SessionStart):
            best = event.best if isinstance(event, Resumed) else None
            metric = event.metric
        elif isinstance(event, Evaluated) and event.chooses:
            metrics = {name: float(value) for name, value in event.metrics.items()}
            before, best = best, Best.choose(best, metrics, event.step, metric)
            if best is not before:
                steps.add(event.step)
    return steps


def _fit(parts: list[Part], width: int) -> str:
    """The parts side by side; those of the highest rank go first where there is no room."""
    shown = list(parts)
    while len(shown) > 1 and len("  ".join(text for _, text in shown)) > width:
        shown.remove(max(reversed(shown), key=lambda part: part[0]))
    return "  ".join(text for _, text in shown)


def _start_parts(event: SessionStart) -> list[Part]:
    epochs = format_counted(event.epochs, "epoch")
    dataset = short_reference(event.dataset)
    parts = [
        (0, f"{dataset} · {event.model} ({format_count(event.parameters)} parameters)"),
        (1, f"{event.device} {event.device_name}"),
        (3, format_counted(event.train_count, "sample")),
        (4, f"{format_count(event.validation_count)} for validation"),
        (2, f"{epochs} of {format_counted(event.steps_per_epoch, 'step')}"),
    ]
    if isinstance(event, Resumed):
        # Where it begins at its first step again there is nothing to repeat.
        how = f", {event.exactness}" if event.from_step else ""
        parts.append((0, f"resumed at step {format_count(event.from_step)}{how}"))
    return parts


def _epoch_parts(
    epoch: EpochFinished,
    judged: Evaluated | None,
    snapshot: RunSnapshot,
    bests: Collection[int] = (),
) -> list[Part]:
    total = str(snapshot.epochs)
    parts = [
        (0, f"epoch {epoch.epoch:>{len(total)}}/{total}"),
        (1, f"loss {_metric(epoch.train, 'loss')}"),
    ]
    if "accuracy" in epoch.train:
        parts.append((3, f"accuracy {_metric(epoch.train, 'accuracy')}"))
    if judged is not None:
        is_newest_best = snapshot.best is not None and snapshot.best.step == judged.step
        best = is_newest_best or judged.step in bests
        value = _metric(judged.metrics, snapshot.metric)
        parts += [
            (2, f"val loss {_metric(judged.metrics, 'loss')}"),
            (0, f"{_metric_name(snapshot)} {value}{' best' if best else '     '}"),
        ]
    parts.append((5, f"{format_rate(float(epoch.samples_per_s))} samples/s"))
    parts.append((4, format_duration(epoch.duration_s)))
    return parts


def _metric(metrics: Mapping[str, Number], name: str) -> str:
    value = metrics.get(name)
    return format_metric(None if value is None else float(value))


def _metric_name(snapshot: RunSnapshot) -> str:
    return sanitize(snapshot.metric, limit=_METRIC_LIMIT)


class PlainProgress:
    """One plain line an epoch."""

    def __init__(self) -> None:
        self._epochs: list[EpochFinished] = []
        self._best: Best | None = None

    def show(self, events: list[Event], record: RunRecord) -> None:
        """Print what is worth a line."""
        bests, self._best = best_steps(events, self._best), record.snapshot.best
        for event in events:
            line = history_line(event, self._epochs, record.snapshot, bests=bests)
            if line is not None:
                say(f"{record.run}  {line}")

    def close(self) -> None:
        """Nothing is left open."""


class LiveProgress:
    """Two lines that stay at the bottom, under a line for each epoch."""

    def __init__(self) -> None:
        from rich.live import Live

        self._epochs: list[EpochFinished] = []
        self._best: Best | None = None
        console = talk_console()
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._live.start()

    def show(self, events: list[Event], record: RunRecord) -> None:
        """Print the history and refresh the two lines."""
        from rich.text import Text

        # The two lines first: those printed above them must not be ahead of them.
        self._live.update(render_progress(record, self._live.console.width))
        bests, self._best = best_steps(events, self._best), record.snapshot.best
        for event in events:
            width = self._live.console.width
            line = history_line(event, self._epochs, record.snapshot, width, bests)
            if line is not None:
                self._live.console.print(Text(sanitize(line)))

    def close(self) -> None:
        """Take the two lines away."""
        self._live.stop()


def render_progress(record: RunRecord, width: int) -> Text:
    """The two live lines, cut to the width of the terminal."""
    from rich.text import Text

    snapshot = record.snapshot
    share = progress_share(snapshot)
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
    first.truncate(width, overflow="ellipsis")
    return Text("\n").join([first, _figures(snapshot, width)])


def _figures(snapshot: RunSnapshot, width: int) -> Text:
    """Loss, how good it is, speed, time left and memory, as many of them as fit."""
    from rich.text import Text

    left_s = remaining_s(snapshot)
    validation = snapshot.last.get("validation", {}).get(snapshot.metric)
    name = f"val {_metric_name(snapshot)} "
    left = format_duration(left_s) if left_s is not None else "–"
    fields = [
        (0, Text.assemble(("loss ", "dim"), f"{format_metric(snapshot.loss):<6}")),
        (1, Text.assemble((name, "dim"), f"{format_metric(validation):<6}")),
        (4, Text.assemble(f"{format_rate(snapshot.samples_per_s):>7}", (" samples/s", "dim"))),
        (2, Text.assemble(("left ", "dim"), f"{left:<5}")),
        (3, Text.assemble(("memory ", "dim"), _memory(snapshot))),
    ]
    line = Text("  ").join(text for _, text in fields)
    while len(fields) > 1 and line.cell_len > width:
        fields.remove(max(fields, key=lambda ranked: ranked[0]))
        line = Text("  ").join(text for _, text in fields)
    line.truncate(width, overflow="ellipsis")
    return line


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
