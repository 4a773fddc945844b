"""What a pane with a chart shows."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.core.chart_spec import ChartSpec
from tui_trainer.dashboard.rows import Field


@dataclass(frozen=True)
class ChartContent:
    """A pane's heading, left and right, an optional second line, and the chart under it."""

    left: tuple[Field, ...]
    right: tuple[Field, ...]
    spec: ChartSpec
    legend: tuple[Field, ...] = ()
