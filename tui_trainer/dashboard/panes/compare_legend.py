"""The legend of compared runs: only the settings that differ, the best, the newest value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.compare import (
    SEED,
    UNKNOWN,
    differing_settings,
    format_setting,
    short_keys,
)
from tui_trainer.core.config.fields import settings_of
from tui_trainer.core.format import format_counted, format_percent
from tui_trainer.core.metric_direction import best_indexes, direction_of
from tui_trainer.core.progress import progress_share
from tui_trainer.core.run_state import RunState
from tui_trainer.core.tables import FloatArray, Table
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.grid import GridColumn, grid_rows
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.palette import state_role, state_text
from tui_trainer.dashboard.panes.compare import (
    ComparedCurve,
    Member,
    format_spread,
    values_at,
)
from tui_trainer.dashboard.panes.compare_metrics import Metric
from tui_trainer.dashboard.panes.readings import cursor_fields, options_fields
from tui_trainer.dashboard.rows import Field, field, fit_row

_RUN_LIMIT = 20
_BEST = "*"
_RANK_AT, _RANK_SETTING, _RANK_LAST, _RANK_BEST, _RANK_STATE, _RANK_NAME = 1, 2, 3, 5, 7, 9


Heading = tuple[list[Field], list[Field]]


def compare_heading(
    members: Sequence[Member],
    groups: Sequence[Sequence[int]],
    options: ChartOptions,
    steps: Table,
) -> Heading:
    """What is compared; on the right how curves are drawn, or where the cursor is."""
    live = sum(member.view.record.state.is_live for member in members)
    counted = format_counted(len(members), "run") + (f" · {live} live" if live else "")
    left = [field(("compare", "strong")), field((counted, "text"), rank=1)]
    if len(groups) < len(members):
        left.append(field(("mean of the seeds, least to greatest", "quiet"), rank=5))
    if options.cursor is not None:
        return left, [*cursor_fields(steps, options.x_kind, options.cursor)]
    return left, [*options_fields(options)]


def legend_rows(
    legend: Sequence[ComparedCurve], metric: Metric, cursor: float | None, width: int
) -> list[Row]:
    """Titles, and a line for each curve of a metric."""
    best_title, bests = _bests(legend)
    names = [" ".join(_names(line)) for line in legend]
    columns = [
        GridColumn("", tuple((Span(line.first.letter, line.first.role),) for line in legend)),
        GridColumn("run", tuple((Span(_runs(line), "strong"),) for line in legend)),
    ]
    if any(names):
        cells = tuple((Span(name, "value"),) for name in names)
        columns.append(GridColumn("name", cells, _RANK_NAME))
    columns += _setting_columns(legend)
    columns.append(_number_column(best_title, bests, _RANK_BEST, "strong"))
    lasts = [format_spread(_lasts(line, metric)) for line in legend]
    columns.append(_number_column(f"last {metric.title}", lasts, _RANK_LAST))
    if cursor is not None:
        values = [format_spread(values_at(line.lines, cursor)) for line in legend]
        columns.append(_number_column("at cursor", values, _RANK_AT, "cursor"))
    columns.append(GridColumn("state", tuple(map(_state, legend)), _RANK_STATE))
    return grid_rows(columns, width)


def visible_rows(rows: Sequence[Row], height: int, first: int, width: int) -> list[Row]:
    """The titles and as many lines as fit, from line `first` on; where some do not, it says so."""
    lines = rows[1:]
    room = max(0, height - 1)
    if len(lines) <= room:
        return list(rows)
    first = max(0, min(first, len(lines) - room))
    note = f"{first + 1}–{first + room} of {len(lines)} "
    titles = (*fit_row(rows[0], max(0, width - len(note))), Span(note, "quiet"))
    return [titles, *lines[first : first + room]]


def _runs(line: ComparedCurve) -> str:
    if len(line.members) == 1:
        return sanitize(line.first.view.record.run, limit=_RUN_LIMIT)
    return f"mean of {len(line.members)} seeds"


def _names(line: ComparedCurve) -> list[str]:
    """The name of a run; of a group the letters of its runs."""
    if len(line.members) > 1:
        return [member.letter for member in line.members]
    return [sanitize(line.first.view.record.annotations.name, limit=64)]


def _setting_columns(legend: Sequence[ComparedCurve]) -> list[GridColumn]:
    facts = [line.first.view.facts for line in legend]
    configs = [None if known is None else known.config for known in facts]
    is_grouped = any(len(line.members) > 1 for line in legend)
    keys = [key for key in differing_settings(configs) if not (is_grouped and key == SEED)]
    settings = [None if config is None else settings_of(config) for config in configs]
    columns = []
    for index, (key, title) in enumerate(zip(keys, short_keys(keys), strict=True)):
        texts = [UNKNOWN if known is None else format_setting(known[key]) for known in settings]
        cells = tuple((Span(text, "value"),) for text in texts)
        columns.append(GridColumn(title, cells, _RANK_SETTING + 2 * index, right=True))
    return columns


def _bests(legend: Sequence[ComparedCurve]) -> tuple[str, list[str]]:
    """The title of the column of bests and what stands in it, the best of all marked."""
    found = [[member.view.record.snapshot.best for member in line.members] for line in legend]
    metrics = {best.metric for bests in found for best in bests if best}
    metric = min(metrics) if len(metrics) == 1 else ""
    values = [[best.value for best in bests if best] for bests in found]
    means = [float(np.mean(numbers)) if numbers else None for numbers in values]
    marked = best_indexes(means, direction_of(metric))
    texts = [
        format_spread(numbers) + (_BEST if index in marked else " ")
        for index, numbers in enumerate(values)
    ]
    return f"best {sanitize(metric, limit=16)} ", texts


def _lasts(line: ComparedCurve, metric: Metric) -> list[float]:
    """The newest value of each run as it was measured, whatever smoothes the curve."""
    tables = [metric.table(member.view) for member in line.members]
    return [value for table in tables if table for value in _last(table[metric.name])]


def _last(values: FloatArray) -> list[float]:
    finite = np.flatnonzero(np.isfinite(values[-256:]))
    return [float(values[-256:][finite[-1]])] if len(finite) else []


def _number_column(title: str, texts: Sequence[str], rank: int, role: str = "value") -> GridColumn:
    return GridColumn(title, tuple((Span(text, role),) for text in texts), rank, right=True)


def _state(line: ComparedCurve) -> Row:
    """The state of a run; of a group, how many of its runs are live."""
    records = [member.view.record for member in line.members]
    live = [record for record in records if record.state.is_live]
    if len(records) > 1 and live:
        word = f"{len(live)} of {len(records)} live"
        return (Span(word, state_role(RunState.RUNNING)),)
    state = records[0].state
    if len({record.state for record in records}) > 1:
        return (Span("ended", "text"),)
    share = f" {format_percent(progress_share(records[0].snapshot)).strip()}" if live else ""
    return (Span(state_text(state), state_role(state)), Span(share, "quiet"))
