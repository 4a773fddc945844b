"""A pane with a heading and a chart."""

from __future__ import annotations

from tui_trainer.core.chart import ChartSpec, Row, draw_chart
from tui_trainer.dashboard.panes.curves import ChartContent
from tui_trainer.dashboard.rows import justify
from tui_trainer.dashboard.widgets.lines import Lines

_EMPTY = ChartContent((), (), ChartSpec(curves=()))


class ChartPane(Lines):
    """Shows the content it was given last."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._content = _EMPTY

    def show(self, content: ChartContent) -> None:
        """Show this from now on."""
        self._content = content
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """Heading, legend if there is one, chart."""
        content = self._content
        rows = [justify(content.left, content.right, width)]
        if content.legend:
            rows.append(justify(content.legend, (), width))
        return (*rows, *draw_chart(content.spec, width - 1, max(1, height - len(rows))))
