"""How the person wants curves drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tui_trainer.core.axis import XKind
from tui_trainer.core.smoothing import LEVELS, level_for


@dataclass(frozen=True)
class ChartOptions:
    """`smoothing` is an index into the smoothing levels; None leaves it to the run's length."""

    log: bool = True
    smoothing: int | None = None
    x_kind: XKind = "step"

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
        return smooth, "log y" if self.log else "linear y", self.x_kind

    def smoother(self, by: int) -> ChartOptions:
        """Smoothed by so many levels more, as far as there are any."""
        return replace(self, smoothing=min(max(0, (self.smoothing or 0) + by), len(LEVELS) - 1))

    def toggle_log(self) -> ChartOptions:
        """Linear where it was logarithmic, and the other way round."""
        return replace(self, log=not self.log)

    def toggle_x(self) -> ChartOptions:
        """Over time where it was over steps, and the other way round."""
        return replace(self, x_kind="time" if self.x_kind == "step" else "step")
