"""Axes of a chart: calm bounds, round ticks, labels of one width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tui_trainer.core.format import format_count, format_local_time

YKind = Literal["number", "fraction", "bytes"]
XKind = Literal["step", "epoch", "time", "wall"]
"""Completed steps, completed epochs, seconds of training, Unix time."""

LABEL_CELLS = 6
"""The most characters in the label of a y tick."""
_NOTHING = 1e-30  # what lies closer to zero cannot be told from it in so few characters
_MOST = 1e100  # what lies beyond is drawn at the border
_SAME = 1e-9
_ROWS_PER_DECADE = 4.5  # to label 2 and 5 as well
_MANTISSAS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
_DURATIONS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400,
)  # fmt: skip
_SHARE_OF_UNIT = 0.6  # from here on 0.5G reads better than 500M
_UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high` and the ticks on it, with their labels."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    is_log: bool = False

    @property
    def pairs(self) -> tuple[tuple[float, str], ...]:
        """The ticks with their labels."""
        return tuple(zip(self.ticks, self.labels, strict=True))

    def position(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`; may lie outside."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = math.log10(max(value, _NOTHING)), math.log10(low), math.log10(high)
        return (value - low) / (high - low)


def nice_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 2.5, 5 × 10^k that cuts `span` into at most `count` parts."""
    rough = span / max(1, count)
    if not (rough > 0 and math.isfinite(rough)):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(rough))
    for mantissa in (1.0, 2.0, 2.5, 5.0):
        if mantissa * magnitude >= rough * (1 - 1e-9):
            return float(mantissa * magnitude)
    return float(10 * magnitude)


def calm_end(value: float) -> float:
    """A round number at or a little above `value`.

    An axis that ends there stands still while its data grow by up to a third, so drawn points
    stay where they are.
    """
    if not (value > 0 and math.isfinite(value)):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    for mantissa in _MANTISSAS:
        if mantissa * magnitude >= value * (1 - 1e-12):
            return float(mantissa * magnitude)
    return float(10 * magnitude)


def make_y_axis(
    low: float, high: float, rows: int, *, kind: YKind = "number", log: bool = False
) -> Axis:
    """A y axis around the data's `low` and `high`, for a plot of `rows` lines."""
    low, high = _clamp(low, -_MOST, _MOST), _clamp(high, -_MOST, _MOST)
    if log and low > 0:
        return _log_axis(low, high, rows)
    if kind == "bytes":
        return _bytes_axis(low, high, rows)
    if kind == "fraction":
        low, high = _clamp(low, 0.0, 1.0), _clamp(high, 0.0, 1.0)
    low, high = _apart(low, high)
    if kind == "fraction":
        low, high = max(low, 0.0), min(high, 1.0)
    step = nice_step(high - low, max(2, rows // 3))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, _number_labels(ticks, step))


def _clamp(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def _apart(low: float, high: float) -> tuple[float, float]:
    """The bounds, moved apart where they are as good as equal."""
    size = max(abs(low), abs(high))
    if high - low > max(size * _SAME, _NOTHING):
        return low, high
    pad = size * 0.05 if size > _NOTHING else 0.5
    return low - pad, high + pad


def _log_axis(low: float, high: float, rows: int) -> Axis:
    bottom, top = _log_floor(low), _log_ceiling(high)
    if top <= bottom:
        top = bottom * 10
    first, last = math.floor(math.log10(bottom) + 1e-9), math.ceil(math.log10(top) - 1e-9)
    decades = last - first
    every = max(1, math.ceil(decades / max(1, rows // 2)))
    mantissas = (1.0, 2.0, 5.0) if decades * _ROWS_PER_DECADE <= rows else (1.0,)
    ticks = [
        mantissa * 10.0**exponent
        for exponent in range(first, last + 1, every)
        for mantissa in mantissas
    ]
    inside = tuple(tick for tick in ticks if bottom * 0.999 <= tick <= top * 1.001)
    return Axis(bottom, top, inside, tuple(map(_log_label, inside)), is_log=True)


def _log_floor(value: float) -> float:
    value = max(value, _NOTHING)
    magnitude = 10.0 ** math.floor(math.log10(value))
    return max(m * magnitude for m in (1.0, 2.0, 5.0) if m * magnitude <= value * (1 + 1e-9))


def _log_ceiling(value: float) -> float:
    value = max(value, _NOTHING)
    magnitude = 10.0 ** math.floor(math.log10(value))
    mantissas = (1.0, 2.0, 5.0, 10.0)
    return min(m * magnitude for m in mantissas if m * magnitude >= value * (1 - 1e-9))


def _log_label(value: float) -> str:
    if 1e-3 * 0.999 <= value < 1e5:
        return f"{value:.5g}"
    return _short_exponent(f"{value:.0e}")


def _bytes_axis(low: float, high: float, rows: int) -> Axis:
    size, suffix = next((unit for unit in _UNITS if high >= _SHARE_OF_UNIT * unit[0]), (1, "B"))
    low, high = _apart(low / size, high / size)
    step = nice_step(high - low, max(2, rows // 3))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    numbers = zip(ticks, _number_labels(ticks, step, LABEL_CELLS - 1), strict=True)
    labels = tuple(text + suffix if tick and text else text and "0" for tick, text in numbers)
    scaled = tuple(tick * size for tick in ticks)
    return Axis(scaled[0], scaled[-1], scaled, labels)


def _number_labels(
    ticks: tuple[float, ...], step: float, most: int = LABEL_CELLS
) -> tuple[str, ...]:
    """Labels with the same number of decimals, short enough for the label column."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1  # steps of 2.5
    plain = tuple(f"{tick:.{decimals}f}" for tick in ticks)
    if decimals <= 5 and _fit(plain, most):
        return plain
    for digits in range(3):
        labels = tuple(_exponent_label(tick, digits) for tick in ticks)
        if _fit(labels, most) and _are_exact(labels, ticks, step):
            return labels
    # Some have more digits than there is room for: these go without a label.
    told = [_shortest_label(tick, step, most) for tick in ticks]
    if sum(map(bool, told)) > 1 and told[0]:
        return tuple(told)
    # Numbers too close together for so few characters: only the first and the last are told.
    ends = [_short_exponent(f"{tick:.0e}") for tick in (ticks[0], ticks[-1])]
    return (ends[0], *("" for _ in ticks[2:]), ends[1])


def _exponent_label(tick: float, digits: int) -> str:
    return _short_exponent(f"{tick:.{digits}e}") if tick else "0"


def _shortest_label(tick: float, step: float, most: int) -> str:
    """The tick in as few characters as tell it; empty where these are too many."""
    for digits in range(most):
        label = _exponent_label(tick, digits)
        if _are_exact((label,), (tick,), step):
            return label if len(label) <= most else ""
    return ""


def _are_exact(labels: Sequence[str], ticks: Sequence[float], step: float) -> bool:
    pairs = zip(labels, ticks, strict=True)
    return all(abs(float(label) - tick) <= step * 1e-3 for label, tick in pairs)


def _fit(labels: tuple[str, ...], most: int) -> bool:
    return len(set(labels)) == len(labels) and all(len(text) <= most for text in labels)


def _short_exponent(text: str) -> str:
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent)}"


def make_x_axis(low: float, high: float, columns: int, *, kind: XKind = "step") -> Axis:
    """An x axis with as many ticks as fit `columns` with room between their labels."""
    high = min(high, _MOST) if high > low else low + 1.0
    if kind == "wall":
        return _wall_axis(low, high, columns)
    label: Callable[[float], str]
    if kind == "step":
        width = len(format_count(round(high))) + 5
        step = max(1.0, nice_step(high - low, max(1, columns // width)))
        step = math.ceil(step)
        label = _step_label
    elif kind == "epoch":
        step = nice_step(high - low, max(1, columns // 12))
        label = _epoch_label
    else:
        step = _time_step(high - low, max(1, columns // 13))
        label = _fraction_label if step < 1 else _time_label
    ticks = _multiples(low, high, step)
    return Axis(low, high, ticks, tuple(map(label, ticks)))


def _multiples(low: float, high: float, step: float) -> tuple[float, ...]:
    first = math.ceil(low / step - 1e-9)
    return tuple(index * step for index in range(first, math.floor(high / step + 1e-9) + 1))


def _wall_axis(low: float, high: float, columns: int) -> Axis:
    """An axis of local clock time, with the date where days go by."""
    step = _time_step(high - low, max(1, columns // 13))
    try:
        # Ticks at full hours of the clock on the wall, wherever it hangs.
        shift = datetime.fromtimestamp(low).astimezone().utcoffset()
        offset_s = shift.total_seconds() if shift is not None else 0.0
        ticks = tuple(t - offset_s for t in _multiples(low + offset_s, high + offset_s, step))
        form = "%d %b" if step >= _DURATIONS[-1] else "%H:%M" if step >= 60 else "%H:%M:%S"
        labels = tuple(datetime.fromtimestamp(t).strftime(form) for t in ticks)
    except (ValueError, OverflowError, OSError):
        return Axis(low, high, (), ())
    return Axis(low, high, ticks, labels)


def exact_x_label(value: float, kind: XKind) -> str:
    """A place on an x axis, told more exactly than its ticks."""
    if kind == "step":
        return format_count(round(value))
    if kind == "epoch":
        return f"{value:.2f}"
    if kind == "time":
        return _time_label(value) if value >= 60 else _fraction_label(round(value, 2))
    return format_local_time(value)


def _step_label(value: float) -> str:
    return format_count(round(value))


def _epoch_label(value: float) -> str:
    return f"{value:g}"


def _fraction_label(seconds: float) -> str:
    return f"{seconds:.6g}s"


def _time_step(span: float, count: int) -> float:
    if span / _DURATIONS[0] < min(count, 2):
        return nice_step(span, count)
    for step in _DURATIONS:
        if span / step <= count:
            return float(step)
    return float(_DURATIONS[-1] * math.ceil(span / count / _DURATIONS[-1]))


def _time_label(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"
