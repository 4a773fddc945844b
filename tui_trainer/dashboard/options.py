"""How the person wants curves drawn: the same for every chart of a screen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tui_trainer.core.axis import XKind
from tui_trainer.core.smoothing import LEVELS, level_for
from tui_trainer.core.tables import Table
from tui_trainer.core.viewport import Range, Viewport

X_KINDS: tuple[XKind, ...] = ("step", "epoch", "time", "wall")
X_WORDS: dict[XKind, str] = {
    "step": "step",
    "epoch": "epoch",
    "time": "training time",
    "wall": "clock",
}


@dataclass(frozen=True)
class YBox:
    """The part of a chart's y axis that was chosen with the mouse."""

    chart: str
    low: float
    high: float


@dataclass(frozen=True)
class ChartOptions:
    """`smoothing` is an index into the smoothing levels; None leaves it to the run's length.

    `viewport`, where not everything is shown, and `cursor` are in units of the x axis.
    """

    log: bool = True
    smoothing: int | None = None
    x_kind: XKind = "step"
    viewport: Viewport | None = None
    cursor: float | None = None
    y_box: YBox | None = None

    @property
    def weight(self) -> float:
        """The smoothing weight, 0 for none."""
        return LEVELS[self.smoothing or 0]

    def settled(self, steps: int) -> ChartOptions:
        """The options for a run of so many planned steps, with nothing left open."""
        if self.smoothing is not None:
            return self
        return replace(self, smoothing=level_for(steps))

    @property
    def words(self) -> tuple[str, str, str]:
        """Smoothing, scale and axis in words."""
        smooth = f"smooth {self.weight:g}" if self.weight else "not smoothed"
        axis = X_WORDS[self.x_kind]
        if self.viewport is not None:
            axis += ", following" if self.viewport.follows else ", zoomed"
        return smooth, "log y" if self.log else "linear y", axis

    def smoother(self, by: int) -> ChartOptions:
        """Smoothed by so many levels more, as far as there are any."""
        return replace(self, smoothing=min(max(0, (self.smoothing or 0) + by), len(LEVELS) - 1))

    def toggle_log(self) -> ChartOptions:
        """Linear where it was logarithmic, and the other way round."""
        return replace(self, log=not self.log)

    def next_x(self, steps: Table) -> ChartOptions:
        """Over the next kind of x axis, showing and pointing at the same steps."""
        kind = X_KINDS[(X_KINDS.index(self.x_kind) + 1) % len(X_KINDS)]
        before, after = steps.x(self.x_kind), steps.x(kind)
        viewport, cursor = self.viewport, self.cursor
        if not len(steps):
            return replace(self, x_kind=kind, viewport=None, cursor=None)
        if viewport is not None:
            low, high = np.interp([viewport.low, viewport.high], before, after).tolist()
            viewport = Viewport(low, high, viewport.follows) if high > low else None
        if cursor is not None:
            cursor = float(np.interp(cursor, before, after))
        return replace(self, x_kind=kind, viewport=viewport, cursor=cursor)

    def window(self, data: Range) -> Range | None:
        """The part of the x axis that is shown, None for the whole."""
        return None if self.viewport is None else self.viewport.settled(data)

    def y_window(self, chart: str) -> Range | None:
        """The part of a chart's y axis that is shown, None for the whole."""
        box = self.y_box
        return (box.low, box.high) if box is not None and box.chart == chart else None


def data_range(table: Table, kind: XKind) -> Range:
    """Where the points of a table begin and end; an axis other than the clock's begins at 0."""
    x = table.x(kind)
    if not len(x):
        return 0.0, 1.0
    first = float(x[0]) if kind == "wall" else 0.0
    return first, max(float(x[-1]), first + 1e-6)
