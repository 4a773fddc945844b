"""The charts of several runs in one: any metric, a letter at the end of each run's curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tui_trainer.core.axis import XKind
from tui_trainer.core.chart import x_range
from tui_trainer.core.chart_spec import ChartSpec, Curve
from tui_trainer.core.compare import UNKNOWN, ComparedRun
from tui_trainer.core.format import format_metric
from tui_trainer.core.metric_direction import direction_of
from tui_trainer.core.seed_band import Line, mean_and_band
from tui_trainer.core.smoothing import Smoother
from tui_trainer.core.tables import Ranges
from tui_trainer.core.text_safety import sanitize
from tui_trainer.core.viewport import Range, Viewport
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.options import ChartOptions, data_range
from tui_trainer.dashboard.panes.compare_metrics import Metric
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.panes.curves import step_chart
from tui_trainer.dashboard.panes.readings import row_at
from tui_trainer.dashboard.rows import Field, field
from tui_trainer.dashboard.spans import wanted_spans
from tui_trainer.dashboard.views import RunView

LETTERS = "abcdefghijklmnop"
MOST_RUNS = len(LETTERS)
"""Runs that can be compared at once: as many as there are letters for."""
_GRID = 1024  # places of a band: two for each pixel column of the widest terminal
_LETTER_CELLS = 2
_SMOOTHER = 5
_TITLE_LIMIT = 40


@dataclass(frozen=True)
class Member:
    """A run that is compared: its letter and its role on every chart, and what is known of it."""

    letter: str
    role: str
    view: RunView

    @property
    def band_role(self) -> str:
        """The role of a band around its curve."""
        return self.role.replace("run", "band")

    @property
    def title(self) -> str:
        """The run's name, fit to be printed."""
        return sanitize(self.view.record.title, limit=_TITLE_LIMIT)

    @property
    def compared(self) -> ComparedRun:
        """What of it is compared as text."""
        facts = self.view.facts
        if facts is None:
            return ComparedRun(self.view.record)
        return ComparedRun(self.view.record, facts.config, facts.environment)


@dataclass(frozen=True)
class ComparedCurve:
    """A curve of a chart: the runs it is of, one or the seeds of a group, and their points."""

    members: tuple[Member, ...]
    lines: tuple[Line, ...]

    @property
    def first(self) -> Member:
        """The member that gives the curve its letter and its colour."""
        return self.members[0]


@dataclass(frozen=True)
class ChartPlace:
    """The name of the pane a chart is for, and how many cells its plot is wide."""

    name: str
    columns: int


class CompareDrafts:
    """Drafts the charts of compared runs, keeping what was smoothed already."""

    def __init__(self) -> None:
        self._smoothers: dict[tuple[str, Metric], Smoother] = {}

    def chart(
        self,
        members: Sequence[Member],
        metric: Metric,
        options: ChartOptions,
        *,
        groups: Sequence[Sequence[int]],
        place: ChartPlace,
    ) -> ChartContent:
        """The metric of all members, those of a group of several as their mean in a band."""
        data = joint_range(members, options.x_kind)
        window = options.window(data) or data
        bands: list[Curve] = []
        curves: list[Curve] = []
        readings: list[Field] = []
        for group in groups:
            compared = self.curve(members, group, metric, options)
            role, line = compared.first.role, compared.lines[0]
            if options.cursor is not None:
                text = format_spread(values_at(compared.lines, options.cursor))
                letter = (f"{compared.first.letter} ", role)
                readings.append(field(letter, (text, "value"), rank=1 + len(readings)))
            if len(compared.lines) > 1:
                band, mean = _band_curves(compared, window)
                bands.append(band)
                curves.append(mean)
            else:
                curves.append(Curve(line.x, line.y, role, ranges=line.ranges))
        letters = [members[group[0]].letter for group in groups]
        spec = _frame(members, metric, options, (*bands, *curves))
        low, high = x_range(spec)
        ends = end_letters(curves, letters, high, _LETTER_CELLS * (high - low) / place.columns)
        return ChartContent(
            left=(field((metric.title, "strong")),),
            right=tuple(readings),
            spec=replace(spec, curves=(*spec.curves, *ends), y_window=options.y_window(place.name)),
        )

    def curve(
        self,
        members: Sequence[Member],
        group: Sequence[int],
        metric: Metric,
        options: ChartOptions,
    ) -> ComparedCurve:
        """What one curve is made of."""
        chosen = tuple(members[index] for index in group)
        return ComparedCurve(chosen, tuple(self.line(m, metric, options) for m in chosen))

    def line(self, member: Member, metric: Metric, options: ChartOptions) -> Line:
        """A member's points, smoothed as the person wishes."""
        table = metric.table(member.view)
        if table is None:
            return Line(np.empty(0), np.empty(0))
        x, values = table.x(options.x_kind), table[metric.name]
        if metric.split or not step_chart(metric.name).is_smoothed or not options.weight:
            return Line(x, values, table.ranges(metric.name))
        key = (member.view.record.path, metric)
        smoother = self._smoothers.get(key)
        if smoother is None or smoother.weight != options.weight:
            smoother = self._smoothers[key] = Smoother(options.weight)
        return Line(x, smoother.update(values, table.generation, table.rows))


def values_at(lines: Iterable[Line], x: float) -> list[float]:
    """The value nearest to a place, of each line that reaches there."""
    values = []
    for line in lines:
        row = row_at(line.x, x)
        if row is not None and line.x[0] <= x <= line.x[-1]:
            values.append(float(line.y[row]))
    return values


def format_spread(values: Sequence[float]) -> str:
    """A value, or the mean of several and what they range over."""
    if not values:
        return UNKNOWN
    if len(values) == 1:
        return format_metric(values[0])
    low, high = (format_metric(float(end)) for end in (min(values), max(values)))
    return f"{format_metric(float(np.mean(values)))} ({low}–{high})"


def options_for(members: Iterable[Member], options: ChartOptions) -> ChartOptions:
    """The options with nothing left open, for the longest of the runs.

    Many curves over one another are told apart only where they are smoother than one alone.
    """
    longest = max((member.view.record.snapshot.steps for member in members), default=0)
    return options.settled(_SMOOTHER * longest)


def joint_range(members: Iterable[Member], kind: XKind) -> Range:
    """Where the points of all members begin and end."""
    ranges = [data_range(m.view.series.steps, kind) for m in members if len(m.view.series.steps)]
    if not ranges:
        return 0.0, 1.0
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def member_spans(
    members: Sequence[Member], options: ChartOptions, *, cursor_counts: bool
) -> tuple[tuple[StepSpan, ...], ...]:
    """For each member the spans of its merged steps that are looked at closely."""
    window = options.window(joint_range(members, options.x_kind))
    # The end that a window follows is that of the longest run, not of each.
    fixed = replace(options, viewport=Viewport(*window) if window is not None else None)
    return tuple(
        wanted_spans(member.view.series, fixed, cursor_counts=cursor_counts) for member in members
    )


def _band_curves(compared: ComparedCurve, window: Range) -> tuple[Curve, Curve]:
    """The band of a group and, to be drawn over it, the mean."""
    lines, member = compared.lines, compared.first
    ends = [(line.x[0], line.x[-1]) for line in lines if len(line.x)]
    low = max(window[0], min((end[0] for end in ends), default=0.0))
    high = min(window[1], max((end[1] for end in ends), default=0.0))
    band = mean_and_band(lines, np.linspace(low, high, _GRID) if high > low else np.array([low]))
    # What lies before and behind the part that two of them share is no gap in it.
    shared = np.flatnonzero(band.count >= 2)
    part = slice(shared[0], shared[-1] + 1) if len(shared) else slice(0)
    ranges = Ranges(band.low[part], band.high[part], np.isnan(band.low[part]))
    x, mean = band.x[part], band.mean[part]
    return Curve(x, mean, member.band_role, ranges=ranges), Curve(x, mean, member.role)


def end_letters(
    curves: Sequence[Curve], letters: Sequence[str], end: float, apart: float
) -> list[Curve]:
    """A letter on each curve where it ends, or ends to be seen, at `end`.

    Curves that end together get theirs a little before one another, `apart` at least, so that no
    letter covers another.
    """
    placed: list[float] = []
    ends: list[Curve] = []
    for curve, letter in zip(curves, letters, strict=True):
        finite = np.flatnonzero(np.isfinite(curve.y) & (curve.x <= end))
        if not len(finite):
            continue
        x = curve.x[finite]
        place = float(x[-1])
        while any(abs(place - other) < apart * (1 - 1e-9) for other in placed) and place > x[0]:
            place -= apart
        at = finite[max(0, int(np.searchsorted(x, place, "right")) - 1)]
        placed.append(place)
        ends.append(Curve(np.array([max(place, x[0])]), curve.y[at : at + 1], curve.role, letter))
    return ends


def _frame(
    members: Sequence[Member], metric: Metric, options: ChartOptions, curves: tuple[Curve, ...]
) -> ChartSpec:
    snapshots = [member.view.record.snapshot for member in members]
    planned = {
        "step": max((snapshot.steps for snapshot in snapshots), default=0),
        "epoch": max((snapshot.epochs for snapshot in snapshots), default=0),
    }
    chart = step_chart(metric.name)
    has_steps = any(len(member.view.series.steps) for member in members)
    return ChartSpec(
        curves=curves,
        x_kind=options.x_kind,
        y_kind="fraction" if chart.is_fraction else "number",
        log=options.log and (chart.is_log or direction_of(metric.name) < 0),
        x_end=float(planned.get(options.x_kind, 0)) or None,
        x_data=joint_range(members, options.x_kind) if has_steps else None,
        is_live=any(member.view.record.state.is_live for member in members),
        window=options.window(joint_range(members, options.x_kind)),
        cursor=options.cursor,
        empty="nothing yet" if all(m.view.is_whole for m in members) else "reading the logs",
    )
