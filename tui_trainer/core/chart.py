"""A chart as lines of text with roles: what to draw is decided here, colours by the widget."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import (
    LABEL_CELLS,
    Axis,
    XKind,
    YKind,
    calm_end,
    make_x_axis,
    make_y_axis,
)
from tui_trainer.core.braille import (
    DOTS_X,
    DOTS_Y,
    Columns,
    characters,
    rasterize,
    reduce_columns,
    rows_of,
)
from tui_trainer.core.series import FloatArray

LABEL_WIDTH = LABEL_CELLS + 1
"""Cells left of the plot: six for the label of a tick, one of space."""
MIN_WIDTH, MIN_HEIGHT = LABEL_WIDTH + 8, 3
_NON_FINITE, _MARK, _BELOW = "×", "┊", "▾"
_ROOM_PER_MARK = 4


class Span(NamedTuple):
    """Neighbouring characters of one role."""

    text: str
    role: str


Row = tuple[Span, ...]


@dataclass(frozen=True)
class Curve:
    """Points in the order of `x`, joined by a line; each marked by `glyph` where room allows."""

    x: FloatArray
    y: FloatArray
    role: str
    glyph: str = ""


@dataclass(frozen=True)
class Mark:
    """A thin vertical line at `x`; marks of one `kind` are left out together where too many."""

    x: float
    label: str = ""
    kind: str = ""


@dataclass(frozen=True)
class ChartSpec:
    """What a chart shows. Curves are listed back to front; a later one covers an earlier.

    `include` are values that the y axis must reach; `x_end` is where the x axis may end at most.
    With `focus_x` the y axis is fitted to what lies at or after that x, to show it close up;
    earlier points that lie below are only hinted at.
    """

    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    x_kind: XKind = "step"
    y_kind: YKind = "number"
    log: bool = False
    x_end: float | None = None
    is_live: bool = False
    include: tuple[float, ...] = ()
    focus_x: float | None = None
    empty: str = "no data yet"


class _Canvas:
    """Characters and the index of the role of each; -1 where nothing is drawn."""

    def __init__(self, width: int, height: int) -> None:
        self.text = np.full((height, width), " ", "<U1")
        self.owner = np.full((height, width), -1, np.int16)
        self._roles: list[str] = []

    def role(self, name: str) -> int:
        if name not in self._roles:
            self._roles.append(name)
        return self._roles.index(name)

    def write(self, row: int, column: int, text: str, role: str) -> None:
        end = min(column + len(text), self.text.shape[1])
        if end > column:
            self.text[row, column:end] = list(text[: end - column])
            self.owner[row, column:end] = self.role(role)

    def is_free(self, row: int, column: int, width: int) -> bool:
        end = column + width
        return end <= self.text.shape[1] and bool((self.owner[row, column:end] < 0).all())

    def rows(self) -> tuple[Row, ...]:
        return tuple(
            self._row(text, owner) for text, owner in zip(self.text, self.owner, strict=True)
        )

    def _row(self, text: NDArray[np.str_], owner: NDArray[np.int16]) -> Row:
        cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
        whole = "".join(text)
        return tuple(
            Span(whole[start:end], self._roles[owner[start]] if owner[start] >= 0 else "")
            for start, end in itertools.pairwise(cuts)
        )


def draw_chart(spec: ChartSpec, width: int, height: int) -> tuple[Row, ...]:
    """The chart in `height` lines of exactly `width` cells."""
    canvas = _Canvas(max(1, width), max(1, height))
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return canvas.rows()
    columns, rows = width - LABEL_WIDTH, height - 1
    x_axis = make_x_axis(*x_range(spec), columns, kind=spec.x_kind)
    reduced = [
        reduce_columns(curve.x, curve.y, x_axis.low, x_axis.high, columns * DOTS_X, log=spec.log)
        for curve in spec.curves
    ]
    y_axis = _fit_y_axis(spec, _in_focus(spec, reduced, x_axis), rows)
    if y_axis is None:
        canvas.write(rows // 2, max(0, (width - len(spec.empty)) // 2), spec.empty, "faint")
        return canvas.rows()
    plot = _Canvas(columns, rows)
    if spec.focus_x is not None:
        reduced = _hide_below(plot, reduced, y_axis)
    _draw_curves(plot, spec.curves, reduced, x_axis, y_axis)
    _draw_marks(plot, spec.marks, x_axis)
    _draw_labels(canvas, x_axis, y_axis)
    return _join(canvas, plot)


def x_range(spec: ChartSpec) -> tuple[float, float]:
    """Where the x axis begins and ends: at a calm number while the run lives, else at its end."""
    last = max((float(curve.x[-1]) for curve in spec.curves if len(curve.x)), default=0.0)
    end = calm_end(last) if spec.is_live else last
    if spec.x_end:
        end = min(end, max(spec.x_end, last))
    return 0.0, max(end, 1.0)


def _fit_y_axis(spec: ChartSpec, reduced: Sequence[Columns], rows: int) -> Axis | None:
    """An axis around all that is drawn; None where nothing is."""
    lows = np.concatenate([columns.low for columns in reduced] or [np.empty(0)])
    highs = np.concatenate([columns.high for columns in reduced] or [np.empty(0)])
    values = np.concatenate((lows, highs))
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    values = np.concatenate((values, np.array(spec.include, np.float64)))
    positive = values[values > 0]
    log = spec.log and bool(len(positive))
    if log:
        values = positive
    low, high = float(values.min()), float(values.max())
    return make_y_axis(low, high, rows, kind=spec.y_kind, log=log)


def _in_focus(spec: ChartSpec, reduced: list[Columns], axis: Axis) -> list[Columns]:
    """The part of the curves that the y axis is fitted to: all where there is no focus."""
    if spec.focus_x is None or not axis.low <= spec.focus_x <= axis.high:
        return reduced
    count = len(reduced[0].low) if reduced else 0
    first = int(axis.position(spec.focus_x) * (count - 1) + 0.5)
    return [_without(curve, np.arange(count) < first) for curve in reduced]


def _without(curve: Columns, columns: NDArray[np.bool_]) -> Columns:
    low, high = np.where(columns, np.nan, curve.low), np.where(columns, np.nan, curve.high)
    return Columns(low, high, curve.measured, curve.non_finite)


def _hide_below(plot: _Canvas, reduced: list[Columns], axis: Axis) -> list[Columns]:
    """The curves without what lies below the axis, which is hinted at on its lowest line."""
    kept = []
    for curve in reduced:
        hidden = curve.high < axis.low
        for column in np.unique(np.flatnonzero(hidden) // DOTS_X):
            plot.write(plot.text.shape[0] - 1, int(column), _BELOW, "mark")
        kept.append(_without(curve, hidden))
    return kept


def _draw_curves(
    plot: _Canvas, curves: Sequence[Curve], reduced: Sequence[Columns], x_axis: Axis, y_axis: Axis
) -> None:
    rows, columns = plot.text.shape
    for curve, column_values in zip(curves, reduced, strict=True):
        cells = rasterize(column_values, y_axis, columns, rows)
        drawn = cells > 0
        # A cell has one colour, so a later curve replaces an earlier one's dots there: mixing
        # the dots of two curves would show a shape that neither has.
        plot.text[drawn] = characters(cells)[drawn]
        plot.owner[drawn] = plot.role(curve.role)
    for curve, column_values in zip(curves, reduced, strict=True):
        if curve.glyph:
            _draw_points(plot, curve, x_axis, y_axis)
        for column in np.flatnonzero(column_values.non_finite) // DOTS_X:
            plot.write(0, int(column), _NON_FINITE, "non_finite")


def _draw_points(plot: _Canvas, curve: Curve, x_axis: Axis, y_axis: Axis) -> None:
    rows, columns = plot.text.shape
    inside = np.isfinite(curve.y) & (curve.x >= x_axis.low) & (curve.x <= x_axis.high)
    if inside.sum() > columns // _ROOM_PER_MARK:
        return
    pixel_rows = rows_of(curve.y[inside], y_axis, rows * DOTS_Y)
    for x, pixel_row in zip(curve.x[inside], pixel_rows, strict=True):
        plot.write(
            int(pixel_row) // DOTS_Y, _cell_of(float(x), x_axis, columns), curve.glyph, curve.role
        )


def _cell_of(x: float, axis: Axis, columns: int) -> int:
    return round(axis.position(x) * (columns * DOTS_X - 1)) // DOTS_X


def _draw_marks(plot: _Canvas, marks: Sequence[Mark], axis: Axis) -> None:
    columns = plot.text.shape[1]
    shown = [mark for mark in marks if axis.low < mark.x <= axis.high]
    for mark in _thin_out(shown, columns // _ROOM_PER_MARK):
        column = _cell_of(mark.x, axis, columns)
        free = plot.owner[:, column] < 0
        plot.text[free, column] = _MARK
        plot.owner[free, column] = plot.role("mark")
        label = _one_cell_each(mark.label)
        if label and plot.is_free(0, column + 1, len(label) + 2):
            plot.write(0, column + 1, " " + label, "mark_label")


def _thin_out(marks: Iterable[Mark], most: int) -> list[Mark]:
    """The marks of every kind that has no more than `most`."""
    marks = list(marks)
    numbers: dict[str, int] = {}
    for mark in marks:
        numbers[mark.kind] = numbers.get(mark.kind, 0) + 1
    return [mark for mark in marks if numbers[mark.kind] <= most]


def _one_cell_each(label: str) -> str:
    """The label in characters that every terminal draws one cell wide."""
    return "".join(char if char.isascii() or char in "→×–" else "?" for char in label)


def _draw_labels(canvas: _Canvas, x_axis: Axis, y_axis: Axis) -> None:
    height, width = canvas.text.shape
    rows, columns = height - 1, width - LABEL_WIDTH
    for tick, label in zip(y_axis.ticks, y_axis.labels, strict=True):
        row = round((1 - y_axis.position(tick)) * (rows * DOTS_Y - 1)) // DOTS_Y
        if canvas.is_free(row, 0, LABEL_WIDTH):
            canvas.write(row, 0, f"{label:>{LABEL_CELLS}}", "axis")
    next_free = 0
    for tick, label in zip(x_axis.ticks, x_axis.labels, strict=True):
        centre = LABEL_WIDTH + _cell_of(tick, x_axis, columns)
        start = min(max(LABEL_WIDTH, centre - len(label) // 2), width - len(label))
        if start >= next_free:
            canvas.write(rows, start, label, "axis")
            next_free = start + len(label) + 2


def _join(canvas: _Canvas, plot: _Canvas) -> tuple[Row, ...]:
    """The plot set into the labels around it."""
    labels, plots = canvas.rows(), plot.rows()
    joined = [_clip(label, LABEL_WIDTH) + line for label, line in zip(labels, plots, strict=False)]
    return (*joined, labels[-1])


def _clip(row: Row, width: int) -> Row:
    kept: list[Span] = []
    for span in row:
        if width <= 0:
            break
        kept.append(Span(span.text[:width], span.role))
        width -= len(span.text)
    return tuple(kept)
