"""What stays under the charts after a run has ended: its result, and what can be done next."""

from __future__ import annotations

from collections.abc import Iterable

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.format import format_count, format_duration, format_metric
from tui_trainer.core.metric_direction import direction_of
from tui_trainer.core.next_steps import next_commands
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.palette import state_role, state_text
from tui_trainer.dashboard.rows import Field, field, justify, wrap_text

_FAILURE_LINES = 2
_KEYS = {"eval": "e", "export-onnx": "o", "resume": "r"}


def has_result(record: RunRecord) -> bool:
    """Whether the run has ended, so that there is a result to show."""
    return not record.state.is_live and record.state is not RunState.UNKNOWN


def result_rows(record: RunRecord, others: Iterable[RunRecord], width: int) -> tuple[Row, ...]:
    """How the run ended, and the commands that make sense now."""
    if record.state is RunState.FAILED:
        return (*_failure(record, width), _next(record, width))
    snapshot = record.snapshot
    ending = field((state_text(record.state), state_role(record.state)))
    done = f"{snapshot.epoch}/{snapshot.epochs} epochs in {format_duration(snapshot.elapsed_s)}"
    fields = [ending, field((done, "text"), rank=4)]
    test = snapshot.last.get("test", {}).get(snapshot.metric)
    metric = sanitize(snapshot.metric, limit=16)
    if test is not None:
        fields.append(field((f"test {metric} ", "quiet"), (format_metric(test), "test"), rank=1))
    comparison = _comparison(record, others)
    if comparison is not None:
        fields.append(comparison)
    return justify(fields, [], width, gap=3), _next(record, width)


def _failure(record: RunRecord, width: int) -> list[Row]:
    error = record.snapshot.error
    message = sanitize(error.message) if error else "it ended before it began"
    hint = sanitize(error.hint) if error else "Its worker.log says why."
    ending = f" {state_text(record.state)}   "
    room = max(8, width - len(ending) - 1)
    texts = [(line, "text") for line in wrap_text(message, room, _FAILURE_LINES)]
    texts += [(line, "quiet") for line in wrap_text(hint, room, _FAILURE_LINES) if line]
    pad = " " * len(ending)
    return [
        (Span(pad if index else ending, "error"), Span(text, role))
        for index, (text, role) in enumerate(texts)
    ]


def _next(record: RunRecord, width: int) -> Row:
    commands = [sanitize(command, limit=60) for command in next_commands(record)]
    shown = [
        field((_key_of(command), "key"), (command, "text"), rank=index)
        for index, command in enumerate(commands)
    ]
    step = record.snapshot.checkpoint_step
    if step is not None and record.state is not RunState.FINISHED:
        told = f"from the checkpoint of step {format_count(step)}"
        shown.append(field((told, "quiet"), rank=3))
    return justify([field(("next", "quiet")), *shown], [], width, gap=3)


def _key_of(command: str) -> str:
    """The key that does the same here, with a space; empty where none does."""
    verb = command.split()[1]
    return f"{_KEYS[verb]} " if verb in _KEYS else ""


def _comparison(record: RunRecord, others: Iterable[RunRecord]) -> Field | None:
    """The run's best beside the best of the other runs on the same dataset."""
    best = record.snapshot.best
    rivals = [
        (other.snapshot.best.value, other.run)
        for other in others
        if other.run != record.run
        and other.snapshot.dataset == record.snapshot.dataset
        and other.snapshot.best is not None
        and best is not None
        and other.snapshot.best.metric == best.metric
    ]
    if best is None or not rivals:
        return None
    direction = direction_of(best.metric)
    value, run = (min if direction < 0 else max)(rivals)
    difference = best.value - value
    is_better = difference * (-1 if direction < 0 else 1) > 0
    behind = "above" if direction < 0 else "below"
    word, role = ("better than", "good") if is_better else (behind, "quiet")
    if difference == 0:
        word = "as good as"
    return field(
        (f"best {format_metric(best.value)} ", "value"),
        (f"({difference:+.4f}) {word} " if difference else f"{word} ", role),
        (f"{format_metric(value)} of {sanitize(run, limit=20)}", "quiet"),
        rank=3,
    )
