"""The charts of training: loss, accuracy, learning rate, gradient norm, speed, any metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tui_trainer.core.chart_spec import ChartSpec, Curve
from tui_trainer.core.format import format_metric, format_rate
from tui_trainer.core.series import SPEED
from tui_trainer.core.smoothing import Smoother
from tui_trainer.core.tables import FloatArray, Table
from tui_trainer.core.text_safety import sanitize
from tui_trainer.core.viewport import Range
from tui_trainer.dashboard.options import ChartOptions, data_range
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.panes.marks import MarkDrafts
from tui_trainer.dashboard.panes.readings import cursor_fields, options_fields, read_value, row_at
from tui_trainer.dashboard.rows import Field, field
from tui_trainer.dashboard.views import RunView

_GLYPHS = {"validation": "○", "test": "◇"}
_LABEL_LIMIT = 24
_CLOSE_UP_POINTS = 2


def _write_lr(value: float) -> str:
    return f"{value:.3g}"


@dataclass(frozen=True)
class StepChart:
    """How a metric of every step is drawn."""

    title: str
    metric: str
    role: str = "train"
    is_log: bool = False
    is_fraction: bool = False
    is_smoothed: bool = True
    include: tuple[float, ...] = ()
    write: Callable[[float], str] = format_metric


STEP_CHARTS: Mapping[str, StepChart] = {
    "loss": StepChart("loss", "loss", is_log=True),
    "accuracy": StepChart("accuracy", "accuracy", is_fraction=True),
    "lr": StepChart(
        "learning rate", "lr", role="lr", is_smoothed=False, include=(0.0,), write=_write_lr
    ),
    "grad_norm": StepChart("gradient norm", "grad_norm", role="grad_norm", is_log=True),
    "throughput": StepChart(
        "samples/s", SPEED, role="throughput", include=(0.0,), write=format_rate
    ),
}


_BY_METRIC = {chart.metric: chart for chart in STEP_CHARTS.values()}


def step_chart(metric: str) -> StepChart:
    """How a metric is drawn: as the chart of it, or plainly where there is none."""
    return _BY_METRIC.get(metric) or StepChart(metric, metric)


def logged_metrics(view: RunView) -> tuple[str, ...]:
    """The metrics that were only ever evaluated, such as those of the user's own."""
    names = {
        name
        for split, table in view.series.evaluated.items()
        if split in _GLYPHS
        for name in table.metrics
        if name not in STEP_CHARTS and name != SPEED
    }
    return tuple(sorted(names))


class CurveDrafts:
    """Drafts the charts of one run, keeping what was smoothed already."""

    def __init__(self) -> None:
        self._smoothers: dict[str, Smoother] = {}
        self._marks = MarkDrafts()

    def draft(self, name: str, view: RunView, options: ChartOptions) -> ChartContent:
        """The chart of a metric of every step, or of one that was evaluated."""
        chart = STEP_CHARTS.get(name)
        if chart is None:
            return self._logged(name, view, options)
        spec = self._spec(chart, view, options)
        return ChartContent(
            left=(
                field((chart.title, "strong")),
                *self._reading(chart, view, options),
                *_evaluated_legend(view, chart.metric, options),
            ),
            right=_right_fields(name, view, options),
            spec=replace(spec, y_window=options.y_window(name)),
        )

    def _logged(self, name: str, view: RunView, options: ChartOptions) -> ChartContent:
        curves = (
            *_evaluated_branches(view, name, options),
            *_evaluated_curves(view, name, options),
        )
        title = sanitize(name, limit=_LABEL_LIMIT)
        spec = replace(self._frame(view, curves, options), y_window=options.y_window(name))
        if not curves and view.is_whole:
            spec = replace(spec, empty="not judged yet")
        return ChartContent(
            left=(field((title, "strong")), *_evaluated_legend(view, name, options)),
            right=(),
            spec=spec,
        )

    def _spec(self, chart: StepChart, view: RunView, options: ChartOptions) -> ChartSpec:
        steps, metric = view.series.steps, chart.metric
        x, ranges = steps.x(options.x_kind), steps.ranges(metric)
        curves = [
            *self._branches(chart, view, options),
            *_evaluated_branches(view, metric, options),
        ]
        if not chart.is_smoothed or not options.weight:
            curves.append(Curve(x, steps[metric], chart.role, ranges=ranges))
        else:
            curves.append(Curve(x, steps[metric], f"{chart.role}_raw", ranges=ranges))
            curves.append(Curve(x, self._smooth(metric, steps, options), chart.role))
        curves += _evaluated_curves(view, metric, options)
        log = options.log and chart.is_log
        spec = self._frame(view, tuple(curves), options, log=log, include=chart.include)
        if not chart.is_fraction:
            return spec
        return replace(spec, y_kind="fraction", focus_x=_close_up(view, options))

    def _frame(
        self,
        view: RunView,
        curves: tuple[Curve, ...],
        options: ChartOptions,
        *,
        log: bool = False,
        include: tuple[float, ...] = (),
    ) -> ChartSpec:
        window = options.window(data_range(view.series.steps, options.x_kind))
        return ChartSpec(
            curves=curves,
            marks=self._marks.draft(view.series, options.x_kind, window),
            x_kind=options.x_kind,
            log=log,
            x_end=planned_end(view, options),
            x_data=steps_range(view, options),
            is_live=view.record.state.is_live,
            include=include,
            empty="no steps yet" if view.is_whole else "reading the log",
            window=window,
            cursor=options.cursor,
        )

    def _branches(self, chart: StepChart, view: RunView, options: ChartOptions) -> list[Curve]:
        curves = []
        for number, branch in enumerate(view.series.branches):
            if len(branch.steps):
                key = f"{chart.metric} of branch {number}"
                values = self._smooth(key, branch.steps, options, chart.metric)
                curves.append(Curve(branch.steps.x(options.x_kind), values, "branch"))
        return curves

    def _smooth(
        self, key: str, table: Table, options: ChartOptions, metric: str | None = None
    ) -> FloatArray:
        smoother = self._smoothers.get(key)
        if smoother is None or smoother.weight != options.weight:
            smoother = self._smoothers[key] = Smoother(options.weight)
        return smoother.update(table[metric or key], table.generation, table.rows)

    def _reading(self, chart: StepChart, view: RunView, options: ChartOptions) -> list[Field]:
        """The value at the cursor, or the newest, smoothed where the curve is."""
        steps, metric = view.series.steps, chart.metric
        name = "train " if chart.role == "train" else ""
        row = len(steps) - 1 if len(steps) else None
        if options.cursor is not None:
            row = row_at(steps.x(options.x_kind), options.cursor)
        if row is None:
            return [_value(name, "–", chart.role)]
        smoothed = chart.is_smoothed and options.weight > 0
        values = self._smooth(metric, steps, options) if smoothed else steps[metric]
        drawn = f"{'~' if smoothed else ''}{chart.write(float(values[row]))}"
        if options.cursor is None:
            return [_value(name, drawn, chart.role)]
        reading = _value(name, read_value(steps, metric, row, chart.write), chart.role)
        return [reading, field((drawn, "quiet"), rank=3, tight=True)][: 1 + smoothed]


def _value(name: str, text: str, role: str) -> Field:
    return field((name, role), (f"{text:<6}", role), rank=1)


def steps_range(view: RunView, options: ChartOptions) -> Range | None:
    """Where the steps of a run begin and end on the x axis; None before the first."""
    steps = view.series.steps
    return data_range(steps, options.x_kind) if len(steps) else None


def planned_end(view: RunView, options: ChartOptions) -> float | None:
    """Where the x axis ends once all is trained, where that is known."""
    snapshot = view.record.snapshot
    if options.x_kind == "step" and snapshot.steps > 0:
        return float(snapshot.steps)
    return float(snapshot.epochs) if options.x_kind == "epoch" and snapshot.epochs > 0 else None


def _close_up(view: RunView, options: ChartOptions) -> float | None:
    """From where accuracy is shown close up: the first validation, once there are two.

    Before it accuracy climbs from chance, which would press all that follows flat.
    """
    table = view.series.evaluated.get("validation")
    if not options.log or table is None or len(table) < _CLOSE_UP_POINTS:
        return None
    return float(table.x(options.x_kind)[0])


def _evaluated_splits(evaluated: Mapping[str, Table], metric: str) -> Iterable[tuple[str, Table]]:
    for split, table in evaluated.items():
        if split in _GLYPHS and metric in table.columns and np.isfinite(table[metric]).any():
            yield split, table


def _evaluated_branches(view: RunView, metric: str, options: ChartOptions) -> list[Curve]:
    """What was evaluated on the branches that resumes left behind."""
    return [
        Curve(table.x(options.x_kind), table[metric], "branch", _GLYPHS[split])
        for branch in view.series.branches
        for split, table in _evaluated_splits(branch.evaluated, metric)
    ]


def _evaluated_curves(view: RunView, metric: str, options: ChartOptions) -> list[Curve]:
    return [
        Curve(table.x(options.x_kind), table[metric], split, _GLYPHS[split], table.ranges(metric))
        for split, table in _evaluated_splits(view.series.evaluated, metric)
    ]


def _evaluated_legend(view: RunView, metric: str, options: ChartOptions) -> list[Field]:
    """The newest figures of each split, or those nearest to the cursor."""
    fields = []
    for split, table in _evaluated_splits(view.series.evaluated, metric):
        row: int | None = len(table) - 1
        if options.cursor is not None:
            row = row_at(table.x(options.x_kind), options.cursor)
        text = "–" if row is None else read_value(table, metric, row)
        fields.append(_value(f"{_GLYPHS[split]} {split} ", text, split))
    return fields


def _right_fields(name: str, view: RunView, options: ChartOptions) -> tuple[Field, ...]:
    """On the first chart: where the cursor is, or how curves are drawn."""
    if name != "loss":
        return ()
    if options.cursor is not None:
        return cursor_fields(view.series.steps, options.x_kind, options.cursor)
    return options_fields(options)
