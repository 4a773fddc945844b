"""Rows of charts with the lines between them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Horizontal
from textual.widget import Widget

from tui_trainer.dashboard.layout import PaneRow
from tui_trainer.dashboard.widgets.chart_pane import ChartPane
from tui_trainer.dashboard.widgets.text_rows import Rule, Separator


def chart_rows(rows: Sequence[PaneRow]) -> list[Widget]:
    """A chart for each pane that is planned, a line above each row and under the last."""
    widgets: list[Widget] = []
    above: tuple[int, ...] = ()
    for row in rows:
        widgets += [Rule(above, row.separators), _chart_row(row)]
        above = row.separators
    return [*widgets, Rule(above, ())]


def _chart_row(row: PaneRow) -> Horizontal:
    widgets: list[Widget] = []
    for name, width in row.panes:
        if widgets:
            widgets.append(Separator())
        pane = ChartPane(name)
        pane.styles.width = width
        widgets.append(pane)
    holder = Horizontal(*widgets, classes="pane-row")
    holder.styles.height = row.height
    return holder
