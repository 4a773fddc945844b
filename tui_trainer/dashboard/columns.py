"""The columns of the table of runs and what each says of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tui_trainer.core.braille import sparkline
from tui_trainer.core.chart import Row, Span
from tui_trainer.core.format import format_age, format_metric, format_rate
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.series import FloatArray
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.palette import STATE_WIDTH, state_role, state_text
from tui_trainer.dashboard.panes.header import progress_bar, progress_share
from tui_trainer.dashboard.rows import clip_text, fit_row, row_width

GAP = 2


@dataclass(frozen=True)
class RunLine:
    """What a line of the table is made of."""

    record: RunRecord
    losses: FloatArray | None
    now: float


@dataclass(frozen=True)
class Column:
    """A column: those with the highest `rank` are the first to go; `grow` takes spare width."""

    title: str
    width: int
    rank: int
    cell: Callable[[RunLine], Row]
    right: bool = False
    grow: int = 0


def _state(line: RunLine) -> Row:
    return (Span(state_text(line.record.state), state_role(line.record.state)),)


def _run(line: RunLine) -> Row:
    run, name = sanitize(line.record.run, limit=20), sanitize(line.record.annotations.name)
    return (Span(run, "strong"), Span(f" {name}" if name else "", "value"))


def _dataset(line: RunLine) -> Row:
    return (Span(sanitize(line.record.snapshot.dataset) or "–", "text"),)


def _model(line: RunLine) -> Row:
    return (Span(sanitize(line.record.snapshot.model) or "–", "text"),)


def _epoch(line: RunLine) -> Row:
    snapshot = line.record.snapshot
    return (Span(f"{snapshot.epoch}/{snapshot.epochs}" if snapshot.epochs else "–", "value"),)


def _progress(line: RunLine) -> Row:
    share = progress_share(line.record.snapshot)
    return (*progress_bar(share, 6), Span(f" {int(100 * share + 1e-9):>3} %", "value"))


def _best(line: RunLine) -> Row:
    best = line.record.snapshot.best
    return (Span(format_metric(best.value if best else None), "strong"),)


def _loss(line: RunLine) -> Row:
    return (Span(format_metric(line.record.snapshot.loss), "train"),)


def _curve(line: RunLine) -> Row:
    losses = line.losses
    if losses is None or not len(losses):
        return ()
    # Losses fall by decades: on a linear line most of the curve would lie on its floor.
    values = np.log10(losses) if bool((losses > 0).all()) else losses
    return (Span(sparkline(values, 12), "train"),)


def _speed(line: RunLine) -> Row:
    live = line.record.state.is_live
    return (Span(format_rate(line.record.snapshot.samples_per_s) if live else "", "value"),)


def _age(line: RunLine) -> Row:
    started = line.record.snapshot.started_t
    known = started is not None and abs(line.now - started) < 1e12
    return (Span(format_age(line.now - (started or 0.0)) if known else "–", "quiet"),)


COLUMNS: tuple[Column, ...] = (
    Column("state", STATE_WIDTH, 0, _state),
    Column("run", 13, 0, _run, grow=16),
    Column("dataset", 9, 3, _dataset, grow=9),
    Column("model", 8, 5, _model, grow=12),
    Column("epochs", 7, 4, _epoch, right=True),
    Column("progress", 12, 1, _progress),
    Column("best", 6, 1, _best, right=True),
    Column("loss", 8, 2, _loss, right=True),
    Column("loss curve", 12, 6, _curve),
    Column("samples/s", 9, 7, _speed, right=True),
    Column("age", 4, 2, _age, right=True),
)


def choose_columns(width: int, columns: Sequence[Column] = COLUMNS) -> list[tuple[Column, int]]:
    """The columns that fit and their widths; spare width goes to those that can use it."""
    shown = list(columns)
    while len(shown) > 1 and _total(shown) > width:
        shown.remove(max(reversed(shown), key=lambda column: column.rank))
    spare = max(0, width - _total(shown))
    sized = []
    for column in shown:
        more = min(column.grow, spare)
        spare -= more
        sized.append((column, column.width + more))
    return sized


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1) + 3


def title_row(width: int) -> Row:
    """The titles of the columns."""
    row: list[Span] = [Span("  ", "")]
    for column, size in choose_columns(width):
        title = column.title.rjust(size) if column.right else column.title.ljust(size)
        row += [Span(title, "quiet"), Span(" " * GAP, "")]
    return fit_row(tuple(row), width)


def run_row(line: RunLine, width: int, *, selected: bool) -> Row:
    """A run's line."""
    row: list[Span] = [Span("▸ " if selected else "  ", "key")]
    for column, size in choose_columns(width):
        cell = _align(column.cell(line), size, right=column.right)
        row += [*cell, Span(" " * GAP, "")]
    fitted = fit_row(tuple(row), width)
    return tuple(Span(text, f"{role} selected") for text, role in fitted) if selected else fitted


def _align(cell: Row, width: int, *, right: bool) -> Row:
    """The cell in exactly `width` cells; text that is too long ends in an ellipsis."""
    fitted: list[Span] = []
    left = width
    for text, role in cell:
        kept = clip_text(text, left)
        fitted.append(Span(kept, role))
        left -= row_width((fitted[-1],))
    space = Span(" " * max(0, left), "")
    return (space, *fitted) if right else (*fitted, space)
