"""What a chart shows, before anything is known of where it is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from tui_trainer.core.axis import XKind, YKind
from tui_trainer.core.tables import FloatArray, Ranges


@dataclass(frozen=True)
class Curve:
    """Points in the order of `x`, joined by a line; each marked by `glyph` where room allows.

    With `ranges` each point stands for many, and what they range over is drawn.
    """

    x: FloatArray
    y: FloatArray
    role: str
    glyph: str = ""
    ranges: Ranges | None = None


@dataclass(frozen=True)
class Mark:
    """A thin vertical line at `x`; marks of one `kind` are left out together where too many."""

    x: float
    label: str = ""
    kind: str = ""


@dataclass(frozen=True)
class ChartSpec:
    """What a chart shows. Curves are listed back to front; a later one covers an earlier.

    `include` are values that the y axis must reach; `x_end` is where the x axis may end at most,
    `x_data` where the points of all the charts beside it begin and end: one axis for them all.
    With `focus_x` the y axis is fitted to what lies at or after that x, to show it close up;
    earlier points that lie below are only hinted at. `window` and `y_window` are the part of the
    plane that is shown, where it is not the whole; `cursor` is an x that is pointed at, and `box`
    the corners (x, y, x, y) of a part that is being chosen.
    """

    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    x_kind: XKind = "step"
    y_kind: YKind = "number"
    log: bool = False
    x_end: float | None = None
    x_data: tuple[float, float] | None = None
    is_live: bool = False
    include: tuple[float, ...] = ()
    focus_x: float | None = None
    empty: str = "no data yet"
    window: tuple[float, float] | None = None
    y_window: tuple[float, float] | None = None
    cursor: float | None = None
    box: tuple[float, float, float, float] | None = None
