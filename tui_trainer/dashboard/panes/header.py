"""The two lines above a run's charts: what it is, how far it is, what it has reached."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.dataset_reference import short_reference
from tui_trainer.core.findings import Finding
from tui_trainer.core.format import (
    format_count,
    format_duration,
    format_local_time,
    format_metric,
    format_percent,
    format_rate,
)
from tui_trainer.core.progress import progress_share, remaining_s
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.palette import STATE_WIDTH, state_role, state_text
from tui_trainer.dashboard.rows import Field, clip_text, field, justify, pad_text

BAR_CELLS = 10
_NAME_CELLS = 24
_WHAT_CELLS = 40
_MOST_CODES = 3
_DATE = "%Y-%m-%d"


def end_time(t: float, now: float) -> str:
    """When the run ends: the time of day, with the date where that is not today."""
    is_today = format_local_time(t, _DATE) == format_local_time(now, _DATE)
    return format_local_time(t, "%H:%M:%S" if is_today else "%d %b %H:%M")


def progress_bar(share: float, cells: int = BAR_CELLS) -> tuple[Span, Span]:
    """Filled and empty cells for a share between 0 and 1."""
    filled = round(min(max(share, 0.0), 1.0) * cells)
    return Span("▰" * filled, "bar"), Span("▱" * (cells - filled), "bar_rest")


def header_rows(
    record: RunRecord,
    width: int,
    now: float | None = None,
    *,
    findings: Sequence[Finding] = (),
    is_read_only: bool = False,
) -> tuple[Row, Row]:
    """The header in two lines; fields that do not fit are left out whole, least needed first."""
    left, right = _identity(record), _progress(record)
    if is_read_only:
        left.insert(1, field(("read-only", "warning"), rank=3))
    figures = _figures(record, now)
    if findings:
        codes = " ".join(finding.code for finding in findings[:_MOST_CODES])
        figures.insert(1, field((f"! {codes}", "warning"), rank=1))
    return justify(left, right, width), justify(figures, [], width, gap=3)


def _identity(record: RunRecord) -> list[Field]:
    snapshot = record.snapshot
    name = clip_text(sanitize(record.annotations.name), _NAME_CELLS)
    device = " ".join(filter(None, (snapshot.device, snapshot.device_name)))
    fields = [field((sanitize(record.run, limit=20), "strong"))]
    if name:
        fields.append(field((name, "value"), rank=6))
    dataset = clip_text(sanitize(short_reference(snapshot.dataset)), _WHAT_CELLS)
    if dataset:
        fields.append(field((dataset, "text"), rank=5))
    for part, rank in ((snapshot.model, 7), (device, 8)):
        if part:
            text = clip_text(sanitize(part), _WHAT_CELLS)
            fields.append(field(("· ", "faint"), (text, "text"), rank=rank, tight=True))
    return fields


def _progress(record: RunRecord) -> list[Field]:
    snapshot, state = record.snapshot, record.state
    share = progress_share(snapshot)
    # The epoch at work, which is one more than are completed, until the last one is.
    is_inside = state.is_live and snapshot.epoch < snapshot.epochs
    epoch = snapshot.epoch + 1 if is_inside else snapshot.epoch
    epochs, steps = str(snapshot.epochs), format_count(snapshot.steps)
    return [
        field((pad_text(state_text(state), STATE_WIDTH), state_role(state))),
        field(("epoch ", "quiet"), (f"{epoch:>{len(epochs)}}/{epochs}", "value"), rank=2),
        field(
            ("step ", "quiet"),
            (f"{format_count(snapshot.step):>{len(steps)}}/{steps}", "value"),
            rank=4,
        ),
        field(*progress_bar(share), (f" {format_percent(share)}", "value"), rank=3),
    ]


def _figures(record: RunRecord, now: float | None) -> list[Field]:
    snapshot = record.snapshot
    fields = [_best(snapshot), *_last(snapshot)]
    if snapshot.stops_after_epoch:
        fields.insert(1, field(("stops after this epoch", "warning"), rank=2))
    if snapshot.checkpoint_is_stale:
        step = snapshot.checkpoint_step
        stale = f"checkpoint stale since step {format_count(step)}" if step else "nothing saved yet"
        fields.insert(0, field((stale, "warning")))
    rate = format_rate(snapshot.samples_per_s)
    fields.append(field((f"{rate:>7}", "value"), (" samples/s", "quiet"), rank=4))
    elapsed = format_duration(snapshot.elapsed_s)
    fields.append(field(("elapsed ", "quiet"), (f"{elapsed:<7}", "value"), rank=3))
    left_s = remaining_s(snapshot)
    if record.state in (RunState.RUNNING, RunState.PAUSED) and left_s is not None:
        left = format_duration(left_s)
        fields.append(field(("left ", "quiet"), (f"{left:<7}", "value"), rank=2))
        if record.state is RunState.RUNNING:
            now = time.time() if now is None else now
            ends = end_time(now + left_s, now)
            fields.append(field(("ends ", "quiet"), (ends, "value"), rank=5))
    return fields


def _best(snapshot: RunSnapshot) -> Field:
    best = snapshot.best
    if best is None:
        metric = sanitize(snapshot.metric, limit=16)
        return field((f"best {metric} ", "quiet"), (f"{'–':<15}", "value"))
    newest = snapshot.last.get("validation", {}).get(best.metric)
    is_newest = newest is not None and newest == best.value
    step = format_count(best.step)
    pad = " " * (len(format_count(snapshot.steps)) - len(step))
    return field(
        (f"best {sanitize(best.metric, limit=16)} ", "quiet"),
        (format_metric(best.value), "strong"),
        (f" @ {step}", "quiet"),
        ((" ▲" if is_newest else "  ") + pad, "good"),
    )


def _last(snapshot: RunSnapshot) -> list[Field]:
    loss = format_metric(snapshot.loss)
    fields = [field(("loss ", "quiet"), (f"{loss:<6}", "train"), rank=1)]
    validation = snapshot.last.get("validation", {}).get("loss")
    if validation is not None:
        text = format_metric(validation)
        fields.append(field(("validation ", "quiet"), (f"{text:<6}", "validation"), rank=6))
    return fields
