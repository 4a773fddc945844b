"""The metrics that runs can be compared by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tui_trainer.core.series import STEP_METRICS
from tui_trainer.core.tables import Table
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.panes.curves import step_chart
from tui_trainer.dashboard.views import RunView

_SPLITS = ("validation", "test", "train")
_NAME_LIMIT = 32


@dataclass(frozen=True)
class Metric:
    """A metric of each step, or, with a `split`, of each evaluation of it."""

    name: str
    split: str = ""

    @property
    def title(self) -> str:
        """Its name for a person."""
        name = sanitize(step_chart(self.name).title, limit=_NAME_LIMIT)
        split = sanitize(self.split, limit=_NAME_LIMIT)
        return f"{split} {name}" + (" by epoch" if split == "train" else "") if split else name

    def table(self, view: RunView) -> Table | None:
        """Where a run has it; None where it has it nowhere."""
        series = view.series
        table = series.evaluated.get(self.split) if self.split else series.steps
        return table if table is not None and self.name in table.columns else None


LOSS = Metric("loss")


class MetricList:
    """The metrics that any of the runs has, in a fixed order; none goes once it was met."""

    def __init__(self) -> None:
        self._met = {LOSS}

    def update(self, views: Iterable[RunView]) -> tuple[Metric, ...]:
        """All metrics by now."""
        for view in views:
            tables = {"": view.series.steps, **view.series.evaluated}
            for split, table in tables.items():
                for name in table.metrics:
                    metric = Metric(name, split)
                    if metric not in self._met and bool(np.isfinite(table[name]).any()):
                        self._met.add(metric)
        return tuple(sorted(self._met, key=_place))


def _place(metric: Metric) -> tuple[int, int, str, str]:
    """Loss and accuracy of training and validation first, then what else was evaluated."""
    names = ("loss", "accuracy")
    splits = ("", "validation")
    name = names.index(metric.name) if metric.name in names else len(names)
    if metric.split in splits and name < len(names):
        return 0, 2 * name + splits.index(metric.split), "", ""
    if metric.split:
        split = _SPLITS.index(metric.split) if metric.split in _SPLITS else len(_SPLITS)
        return 1, split, metric.split, f"{name}{metric.name}"
    own = STEP_METRICS.index(metric.name) if metric.name in STEP_METRICS else len(STEP_METRICS)
    return 2, own, "", metric.name
