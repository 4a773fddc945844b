"""Numbers, durations and sizes as a person reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_count(value: int) -> str:
    """`12345` as `12 345`, with a thin gap every three digits."""
    return f"{value:,}".replace(",", " ")


def format_counted(count: int, noun: str) -> str:
    """A count with its noun: `1 epoch`, `12 345 epochs`."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def format_bytes(value: float) -> str:
    """A size in binary units, three digits at most: `3.1 GiB`."""
    for unit in _UNITS:
        if abs(value) < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit takes every size")


def format_duration(seconds: float) -> str:
    """A duration: `8.2s`, `0:41`, `1:02:03`, `2d 03:04`."""
    if not math.isfinite(seconds):
        return "–"
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def format_metric(value: float | None, *, digits: int = 4) -> str:
    """A loss, accuracy or error with as many digits as tell runs apart."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value != 0 and (abs(value) < 10**-digits or abs(value) >= 1e5):
        return f"{value:.2e}"
    # Of larger numbers, such as errors of what is counted in thousands, as many digits in all.
    whole_digits = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:.{max(0, digits - max(0, whole_digits - 2))}f}"


def format_rate(value: float | None) -> str:
    """Samples per second as a whole number with gaps."""
    return "–" if value is None or not math.isfinite(value) else format_count(round(value))


def format_utc(seconds: float) -> str:
    """Unix time as `2026-01-02T03:04:05Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_percent(share: float) -> str:
    """A share as whole percents, `100 %` only where it is whole."""
    return f"{int(100 * share + 1e-9):>3} %"


def format_local_time(t: float | None, form: str = "%H:%M:%S", unknown: str = "--:--:--") -> str:
    """Unix time as the clock on the wall has it; `unknown` where it is none that it could show."""
    if t is None:
        return unknown
    try:
        return datetime.fromtimestamp(t).strftime(form)
    except (ValueError, OverflowError, OSError):
        return unknown


def format_age(seconds: float) -> str:
    """How long ago, in the largest unit that says enough: `12s`, `5m`, `3h`, `8d`."""
    seconds = max(0.0, seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
