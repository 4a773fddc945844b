"""What a curve says at the cursor, or at its end, as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from tui_trainer.core.axis import XKind
from tui_trainer.core.format import (
    format_count,
    format_duration,
    format_local_time,
    format_metric,
)
from tui_trainer.core.tables import FloatArray, Table
from tui_trainer.dashboard.options import ChartOptions
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.rows import Field, field

_DAY = "%d %b %H:%M:%S"
_DOTS = re.compile(r" ?[\u2800-\u28ff]+")  # a sparkline


def row_at(x: FloatArray, at: float) -> int | None:
    """The row nearest to `at`; None where there are no rows."""
    if not len(x):
        return None
    right = int(np.searchsorted(x, at))
    if right == 0:
        return 0
    if right == len(x) or at - x[right - 1] <= x[right] - at:
        return right - 1
    return right


def read_value(
    table: Table, metric: str, row: int, write: Callable[[float], str] = format_metric
) -> str:
    """A column's value at a row; the range of its values where the row stands for many."""
    ranges = table.ranges(metric)
    if ranges is None or table.rows is None or table.rows[row] <= 1:
        return write(float(table[metric][row]))
    return f"{write(float(ranges.low[row]))}…{write(float(ranges.high[row]))}"


def cursor_fields(table: Table, kind: XKind, at: float) -> tuple[Field, ...]:
    """Where the cursor is: the step, and the place on the axis where that is another."""
    row = row_at(table.x(kind), at)
    if row is None:
        return ()
    step = f"step {format_count(int(table.step[row]))}"
    place = field((_place(table, kind, row), "quiet"), rank=5, tight=True)
    return field((step, "cursor"), rank=4), place


def options_fields(options: ChartOptions) -> tuple[Field, ...]:
    """How curves are drawn: smoothing, scale and axis."""
    smooth, scale, axis = options.words
    return (
        field((smooth, "faint"), rank=2),
        field((f"· {scale}", "faint"), rank=3, tight=True),
        field((f"· {axis}", "faint"), rank=4, tight=True),
    )


def _place(table: Table, kind: XKind, row: int) -> str:
    if kind == "wall":
        return format_local_time(float(table["t"][row]), _DAY, "")
    if kind == "time":
        return format_duration(float(table.elapsed_s[row]))
    return f"epoch {table.x('epoch')[row]:.2f}" if table.steps_per_epoch else ""


def tell_cursor(
    run: str, table: Table, options: ChartOptions, contents: Iterable[ChartContent]
) -> str:
    """What the charts say at the cursor, in one line: `run42 step 1172 loss train 0.0312 …`."""
    row = None if options.cursor is None else row_at(table.x(options.x_kind), options.cursor)
    if row is None:
        return run
    parts = [run, f"step {int(table.step[row])}"]
    for content in contents:
        fields = (*content.left, *content.legend)
        parts.append(" ".join("".join(span.text for span in item.spans).strip() for item in fields))
    return _DOTS.sub("", "  ".join(parts)).rstrip()
