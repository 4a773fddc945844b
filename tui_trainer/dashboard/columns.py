"""The columns of the table of runs: what each says of a run, and how runs are sorted by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len

from tui_trainer.core.braille import sparkline
from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.code_names import short_name
from tui_trainer.core.dataset_reference import short_reference
from tui_trainer.core.format import (
    format_age,
    format_duration,
    format_metric,
    format_percent,
    format_rate,
)
from tui_trainer.core.metric_direction import direction_of
from tui_trainer.core.progress import progress_share
from tui_trainer.core.run_name import number_of
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.core.tables import FloatArray
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.palette import STATE_WIDTH, state_role, state_text
from tui_trainer.dashboard.panes.header import progress_bar
from tui_trainer.dashboard.rows import clip_text

_CURVE_CELLS = 12
_METRIC_CELLS = 12

SortKey = str | float | None
"""What runs are sorted by; those of which it is not known come last."""


@dataclass(frozen=True)
class RunLine:
    """What a line of the table is made of; `curve` is its loss as `loss_curve` draws it."""

    record: RunRecord
    curve: str
    age: str


@dataclass(frozen=True)
class Column:
    """A column: those with the highest `rank` are the first to go; `grow` takes spare width.

    Runs can be sorted by it where it has a `sort_key`, the greatest first if it is `descending`.
    """

    title: str
    width: int
    rank: int
    cell: Callable[[RunLine], Row]
    sort_key: Callable[[RunRecord], SortKey] | None = None
    right: bool = False
    grow: int = 0
    descending: bool = False


@dataclass(frozen=True)
class Sort:
    """What the runs are sorted by: the title of a column, and which way."""

    title: str
    descending: bool


NEWEST_FIRST = Sort("age", descending=False)


def loss_curve(losses: FloatArray) -> str:
    """The loss of a run in one line."""
    if not len(losses):
        return ""
    # Losses fall by decades: on a linear line most of the curve would lie on its floor.
    values = np.log10(losses) if bool((losses > 0).all()) else losses
    return sparkline(values, _CURVE_CELLS)


def _state(line: RunLine) -> Row:
    return (Span(state_text(line.record.state), state_role(line.record.state)),)


def _run(line: RunLine) -> Row:
    run, name = sanitize(line.record.run, limit=20), sanitize(line.record.annotations.name)
    return (Span(run, "strong"), Span(f" {name}" if name else "", "value"))


def _words(text_of: Callable[[RunRecord], str], role: str = "text") -> Callable[[RunLine], Row]:
    """A cell with a text of the run."""
    return lambda line: (Span(sanitize(text_of(line.record)), role),)


def _epoch(line: RunLine) -> Row:
    snapshot = line.record.snapshot
    return (Span(f"{snapshot.epoch}/{snapshot.epochs}" if snapshot.epochs else "–", "value"),)


def _progress(line: RunLine) -> Row:
    share = progress_share(line.record.snapshot)
    return (*progress_bar(share, 6), Span(f" {format_percent(share)}", "value"))


def _best(line: RunLine) -> Row:
    best = line.record.snapshot.best
    value = Span(format_metric(best.value if best else None), "strong")
    if best is None or best.metric == "accuracy":
        return (value,)
    return (Span(clip_text(sanitize(best.metric), _METRIC_CELLS) + " ", "quiet"), value)


def _loss(line: RunLine) -> Row:
    return (Span(format_metric(line.record.snapshot.loss), "train"),)


def _curve(line: RunLine) -> Row:
    return (Span(line.curve, "train"),)


def _speed(line: RunLine) -> Row:
    live = line.record.state.is_live
    return (Span(format_rate(line.record.snapshot.samples_per_s) if live else "", "value"),)


def _trained(line: RunLine) -> Row:
    return (Span(format_duration(line.record.snapshot.elapsed_s), "value"),)


def age_text(record: RunRecord, now: float) -> str:
    """How long ago the run was started."""
    started = record.snapshot.started_t
    known = started is not None and abs(now - started) < 1e12
    return format_age(now - (started or 0.0)) if known else "–"


def _age(line: RunLine) -> Row:
    return (Span(line.age, "quiet"),)


_TEXTS: Mapping[str, Callable[[RunRecord], str]] = {
    "run": lambda run: f"{run.run} {run.annotations.name}".rstrip(),
    "tags": lambda run: ", ".join(run.annotations.tags),
    "dataset": lambda run: short_reference(run.snapshot.dataset) or "–",
    "model": lambda run: short_name(run.snapshot.model) or "–",
    "device": lambda run: run.snapshot.device or "–",
    "note": lambda run: run.annotations.note,
}
"""What stands in the columns that are as wide as the texts in them."""


_STATE_ORDER = {state: float(place) for place, state in enumerate(RunState)}


def _run_key(record: RunRecord) -> SortKey:
    """By name, and those without one after them, by number."""
    return record.annotations.name.casefold() or None


def _best_key(record: RunRecord) -> SortKey:
    best = record.snapshot.best
    if best is None:
        return None
    # The greatest first is then the best first, of errors too.
    return -best.value if direction_of(best.metric) < 0 else best.value


def _speed_key(record: RunRecord) -> SortKey:
    return record.snapshot.samples_per_s if record.state.is_live else None


def _text_key(title: str) -> Callable[[RunRecord], SortKey]:
    """By text, what has none last."""
    return lambda run: _TEXTS[title](run).casefold().strip("–") or None


def _text_column(title: str, width: int, rank: int, *, grow: int, role: str = "text") -> Column:
    return Column(title, width, rank, _words(_TEXTS[title], role), _text_key(title), grow=grow)


COLUMNS: tuple[Column, ...] = (
    Column("state", STATE_WIDTH, 0, _state, lambda run: _STATE_ORDER[run.state]),
    Column("run", 13, 0, _run, _run_key, grow=20),
    _text_column("tags", 10, 7, grow=20),
    _text_column("dataset", 9, 3, grow=9),
    _text_column("model", 8, 5, grow=20),
    Column("epochs", 7, 4, _epoch, lambda run: run.snapshot.epoch, right=True, descending=True),
    Column("progress", 12, 1, _progress, lambda run: progress_share(run.snapshot), descending=True),
    Column("best", 6, 1, _best, _best_key, right=True, descending=True),
    Column("loss", 8, 2, _loss, lambda run: run.snapshot.loss, right=True),
    Column("loss curve", _CURVE_CELLS, 6, _curve),
    Column("samples/s", 9, 8, _speed, _speed_key, right=True, descending=True),
    Column(
        "trained", 8, 9, _trained, lambda run: run.snapshot.elapsed_s, right=True, descending=True
    ),
    _text_column("device", 7, 10, grow=3),
    Column("age", 4, 2, _age, lambda run: -(number_of(run.run) or 0), right=True),
    _text_column("note", 16, 11, grow=80, role="quiet"),
)


def columns_for(records: Sequence[RunRecord]) -> tuple[Column, ...]:
    """The columns that these runs need, none wider than what stands in it."""
    metrics = {record.snapshot.best.metric for record in records if record.snapshot.best}
    longest = max((len(metric) for metric in metrics - {"accuracy"}), default=0)
    best_width = 9 + min(longest, _METRIC_CELLS) if longest else 6
    columns = []
    for column in COLUMNS:
        if column.title in _TEXTS:
            text_of = _TEXTS[column.title]
            needed = max((cell_len(text_of(record)) for record in records), default=0)
            if needed or column.title not in ("tags", "note"):
                columns.append(_fit_column(column, needed))
        else:
            columns.append(replace(column, width=best_width) if column.cell is _best else column)
    return tuple(columns)


def _fit_column(column: Column, needed: int) -> Column:
    """The column for texts of so many cells; its title with a mark always fits."""
    width = max(len(column.title) + 1, min(column.width, needed))
    return replace(column, width=width, grow=min(column.grow, max(0, needed - width)))
