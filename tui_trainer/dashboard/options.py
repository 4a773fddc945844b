"""How the person wants curves drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tui_trainer.core.axis import XKind
from tui_trainer.core.smoothing import LEVELS


@dataclass(frozen=True)
class ChartOptions:
    """`smoothing` is an index into the smoothing levels."""

    log: bool = True
    smoothing: int = LEVELS.index(0.9)
    x_kind: XKind = "step"

    @property
    def weight(self) -> float:
        """The smoothing weight, 0 for none."""
        return LEVELS[self.smoothing]

    @property
    def words(self) -> tuple[str, str, str]:
        """Smoothing, scale and axis in words."""
        smooth = f"smooth {self.weight:g}" if self.weight else "not smoothed"
        return smooth, "log y" if self.log else "linear y", self.x_kind

    def smoother(self, by: int) -> ChartOptions:
        """Smoothed by so many levels more, as far as there are any."""
        return replace(self, smoothing=min(max(0, self.smoothing + by), len(LEVELS) - 1))

    def toggle_log(self) -> ChartOptions:
        """Linear where it was logarithmic, and the other way round."""
        return replace(self, log=not self.log)

    def toggle_x(self) -> ChartOptions:
        """Over time where it was over steps, and the other way round."""
        return replace(self, x_kind="time" if self.x_kind == "step" else "step")
