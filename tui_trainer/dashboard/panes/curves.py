"""The charts of training: loss, accuracy, learning rate, gradient norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tui_trainer.core.chart import ChartSpec, Curve, Mark
from tui_trainer.core.format import format_metric
from tui_trainer.core.series import FloatArray, Table
from tui_trainer.core.smoothing import Smoother
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.rows import Field, field
from tui_trainer.dashboard.views import RunView

_GLYPHS = {"validation": "○", "test": "◇"}
_NOTHING = np.empty(0)
_LABEL_LIMIT = 24
_CLOSE_UP_POINTS = 2


@dataclass(frozen=True)
class ChartContent:
    """A pane's heading, left and right, an optional second line, and the chart under it."""

    left: tuple[Field, ...]
    right: tuple[Field, ...]
    spec: ChartSpec
    legend: tuple[Field, ...] = ()


class CurveDrafts:
    """Drafts the charts of one run, keeping what was smoothed already."""

    def __init__(self) -> None:
        self._smoothers: dict[str, Smoother] = {}

    def loss(self, view: RunView, options: ChartOptions) -> ChartContent:
        """Training loss, raw and smoothed, with the loss of each evaluated split."""
        legend = [_latest("train", "train", self._smoothed_end(view, "loss", options))]
        legend += _evaluated_legend(view, "loss")
        return ChartContent(
            left=(field(("loss", "strong")), *legend),
            right=_option_fields(options),
            spec=self._spec(view, "loss", options, log=options.log),
        )

    def accuracy(self, view: RunView, options: ChartOptions) -> ChartContent:
        """Accuracy in training, smoothed, and of each evaluated split."""
        legend = [_latest("train", "train", self._smoothed_end(view, "accuracy", options))]
        legend += _evaluated_legend(view, "accuracy")
        return ChartContent(
            left=(field(("accuracy", "strong")), *legend),
            right=(),
            spec=self._spec(view, "accuracy", options, is_fraction=True),
        )

    def grad_norm(self, view: RunView, options: ChartOptions) -> ChartContent:
        """The norm of the gradient."""
        latest = _latest("", "grad_norm", self._smoothed_end(view, "grad_norm", options))
        return ChartContent(
            left=(field(("gradient norm", "strong")), latest),
            right=(),
            spec=self._spec(view, "grad_norm", options, log=options.log, role="grad_norm"),
        )

    def lr(self, view: RunView, options: ChartOptions) -> ChartContent:
        """The learning rate."""
        steps = view.series.steps
        curve = Curve(_x_of(steps, options), steps["lr"], "lr")
        return ChartContent(
            left=(field(("learning rate", "strong")), field((_short(_end(steps["lr"])), "lr"))),
            right=(),
            spec=_frame(view, (curve,), options, include=(0.0,)),
        )

    def _spec(
        self,
        view: RunView,
        metric: str,
        options: ChartOptions,
        *,
        log: bool = False,
        role: str = "train",
        is_fraction: bool = False,
    ) -> ChartSpec:
        steps = view.series.steps
        x = _x_of(steps, options)
        curves = [*self._branches(view, metric, options)]
        if options.weight:
            curves.append(Curve(x, steps[metric], f"{role}_raw"))
        curves.append(Curve(x, self._smooth(metric, steps, options), role))
        curves += _evaluated_curves(view, metric, options)
        spec = _frame(view, tuple(curves), options, log=log)
        return (
            replace(spec, y_kind="fraction", focus_x=_close_up(view, options))
            if is_fraction
            else spec
        )

    def _branches(self, view: RunView, metric: str, options: ChartOptions) -> list[Curve]:
        curves = []
        for number, branch in enumerate(view.series.branches):
            values = self._smooth(f"{metric} of branch {number}", branch.steps, options, metric)
            curves.append(Curve(_x_of(branch.steps, options), values, "branch"))
        return curves

    def _smooth(
        self, key: str, table: Table, options: ChartOptions, metric: str | None = None
    ) -> FloatArray:
        smoother = self._smoothers.get(key)
        if smoother is None or smoother.weight != options.weight:
            smoother = self._smoothers[key] = Smoother(options.weight)
        return smoother.update(table[metric or key], table.generation)

    def _smoothed_end(self, view: RunView, metric: str, options: ChartOptions) -> float | None:
        return _end(self._smooth(metric, view.series.steps, options))


def _x_of(table: Table, options: ChartOptions) -> FloatArray:
    return table.step if options.x_kind == "step" else table.elapsed_s


def _end(values: FloatArray) -> float | None:
    return float(values[-1]) if len(values) else None


def _frame(
    view: RunView,
    curves: tuple[Curve, ...],
    options: ChartOptions,
    *,
    log: bool = False,
    include: tuple[float, ...] = (),
) -> ChartSpec:
    snapshot = view.record.snapshot
    on_steps = options.x_kind == "step"
    return ChartSpec(
        curves=curves,
        marks=_marks(view, options),
        x_kind=options.x_kind,
        log=log,
        x_end=float(snapshot.steps) if on_steps and snapshot.steps > 0 else None,
        is_live=view.record.state.is_live,
        include=include,
        empty="no steps yet" if view.is_whole else "reading the log",
    )


def _close_up(view: RunView, options: ChartOptions) -> float | None:
    """From where accuracy is shown close up: the first validation, once there are two.

    Before it accuracy climbs from chance, which would press all that follows flat.
    """
    table = view.series.evaluated.get("validation")
    if not options.log or table is None or len(table) < _CLOSE_UP_POINTS:
        return None
    return float(_x_of(table, options)[0])


def _marks(view: RunView, options: ChartOptions) -> tuple[Mark, ...]:
    marks = []
    for marker in view.series.markers:
        x = float(marker.step) if options.x_kind == "step" else marker.elapsed_s
        label = "" if marker.kind == "epoch" else sanitize(marker.label, limit=_LABEL_LIMIT)
        marks.append(Mark(x, label, marker.kind))
    return tuple(marks)


def _evaluated_splits(view: RunView, metric: str) -> Mapping[str, Table]:
    return {
        split: table
        for split, table in view.series.evaluated.items()
        if split in _GLYPHS and metric in table.columns and len(table)
    }


def _evaluated_curves(view: RunView, metric: str, options: ChartOptions) -> list[Curve]:
    return [
        Curve(_x_of(table, options), table[metric], split, _GLYPHS[split])
        for split, table in _evaluated_splits(view, metric).items()
    ]


def _evaluated_legend(view: RunView, metric: str) -> list[Field]:
    return [
        _latest(f"{_GLYPHS[split]} {split}", split, _end(table[metric]))
        for split, table in _evaluated_splits(view, metric).items()
    ]


def _latest(name: str, role: str, value: float | None) -> Field:
    text = f"{format_metric(value):<6}"
    return field((f"{name} " if name else "", role), (text, role), rank=1)


def _short(value: float | None) -> str:
    return f"{'–' if value is None else f'{value:.3g}':<8}"


def _option_fields(options: ChartOptions) -> tuple[Field, ...]:
    smooth, scale, axis = options.words
    return (
        field((smooth, "faint"), rank=2),
        field((f"· {scale}", "faint"), rank=3, tight=True),
        field((f"· {axis}", "faint"), rank=4, tight=True),
    )
