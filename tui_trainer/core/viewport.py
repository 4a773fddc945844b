"""Which part of an x axis is shown, and how keys and the wheel move it."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]

_LEAST_SHARE = 1e-9  # of the data; closer up, numbers run out of digits
_NEAR_END = 0.05
_FIRST_FOLLOWED = 0.25


@dataclass(frozen=True)
class Viewport:
    """From `low` to `high`; one that `follows` moves with the newest point at its end."""

    low: float
    high: float
    follows: bool = False

    @property
    def span(self) -> float:
        """How much of the axis is shown."""
        return self.high - self.low

    def settled(self, data: Range) -> Range:
        """What is shown where the points reach over `data` by now."""
        return (data[1] - self.span, data[1]) if self.follows else (self.low, self.high)


def zoom(shown: Range, data: Range, factor: float, around: float) -> Viewport | None:
    """Show `factor` times as much as is `shown`, the point `around` staying where it is.

    None is the whole axis. Whoever zooms in where the data end goes on following their end.
    """
    span = max((shown[1] - shown[0]) * factor, (data[1] - data[0]) * _LEAST_SHARE)
    if span >= data[1] - data[0]:
        return None
    if around >= data[1] - _NEAR_END * (shown[1] - shown[0]):
        return Viewport(data[1] - span, data[1], follows=True)
    share = min(1.0, max(0.0, (around - shown[0]) / (shown[1] - shown[0])))
    start = around - share * span
    return _within(start, span, data)


def pan(shown: Range, data: Range, share: float) -> Viewport:
    """Move by a share of what is shown; where the data end it follows them."""
    span = shown[1] - shown[0]
    moved = _within(shown[0] + span * share, span, data)
    return Viewport(moved.low, moved.high, follows=share > 0 and moved.high >= data[1])


def follow(viewport: Viewport | None, data: Range) -> Viewport:
    """Show where the data end, as much as is shown now; of the whole, its last quarter."""
    span = viewport.span if viewport else (data[1] - data[0]) * _FIRST_FOLLOWED
    return Viewport(data[1] - span, data[1], follows=True)


def choose(one: float, other: float, data: Range) -> Viewport | None:
    """Show what lies between two places, as far as there are data; None where that is nothing."""
    low, high = max(data[0], min(one, other)), min(data[1], max(one, other))
    if high - low <= (data[1] - data[0]) * _LEAST_SHARE:
        return None
    return Viewport(low, high)


def _within(low: float, span: float, data: Range) -> Viewport:
    span = min(span, data[1] - data[0])
    low = min(max(low, data[0]), data[1] - span)
    return Viewport(low, low + span)
