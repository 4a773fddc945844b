"""Drawing a chart once it is decided what it shows: dots, glyphs, marks, labels, cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import LABEL_CELLS, Axis, XKind, exact_x_label
from tui_trainer.core.braille import DOTS_X, DOTS_Y, Columns, characters, rasterize, rows_of
from tui_trainer.core.canvas import Canvas, Row, one_cell_each
from tui_trainer.core.chart_spec import ChartSpec, Mark

LABEL_WIDTH = LABEL_CELLS + 1
"""Cells left of the plot: six for the label of a tick, one of space."""
ROOM_PER_MARK = 4
"""Columns of cells for each mark, or glyph, that is drawn: with less room there is none."""
_NON_FINITE, _MARK, _BELOW, _CURSOR = "×", "┊", "▾", "│"
_NAMED_FIRST = {"lr": 0, "resume": 1, "control": 2}


@dataclass(frozen=True)
class Point:
    """A glyph in a cell of the plot."""

    row: int
    column: int
    glyph: str
    role: str


@dataclass(frozen=True, eq=False)
class Drawing:
    """All that the lines of a chart are made of, in a plot of `rows` × `columns` cells.

    `curves` are the columns of all curves, stacked, `below` the pixel columns where one of them
    lies below the axis, and `spec` is without curves.
    """

    rows: int
    columns: int
    spec: ChartSpec
    x_axis: Axis
    y_axis: Axis
    roles: tuple[str, ...]
    points: tuple[tuple[Point, ...], ...]
    curves: Columns
    below: NDArray[np.bool_]

    def is_same(self, other: Drawing) -> bool:
        """Whether it makes the same lines."""
        return self._plain == other._plain and all(
            # Bit by bit: what is not a number is equal to itself here.
            mine.tobytes() == theirs.tobytes()
            for mine, theirs in zip(self._arrays, other._arrays, strict=True)
        )

    @property
    def _plain(self) -> tuple[object, ...]:
        axes = self.x_axis, self.y_axis
        return self.rows, self.columns, self.spec, *axes, self.roles, self.points

    @property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.curves.low, self.curves.high, self.curves.non_finite, self.below


def draw_lines(drawing: Drawing) -> tuple[Row, ...]:
    """The plot, with the labels of its axes left of it and under it."""
    canvas = Canvas(drawing.columns + LABEL_WIDTH, drawing.rows + 1)
    spec, x_axis, y_axis = drawing.spec, drawing.x_axis, drawing.y_axis
    plot = Canvas(drawing.columns, drawing.rows)
    _draw_curves(plot, drawing)
    _draw_marks(plot, spec.marks, x_axis)
    _draw_pointer(plot, spec, x_axis, y_axis)
    if spec.cursor is not None:
        _draw_cursor_label(canvas, spec.cursor, x_axis, spec.x_kind)
    _draw_labels(canvas, x_axis, y_axis)
    canvas.set_in(plot, 0, LABEL_WIDTH)
    return canvas.rows()


def cell_of(x: float, axis: Axis, columns: int) -> int:
    """The column of cells of a plot in which `x` lies."""
    return round(axis.position(x) * (columns * DOTS_X - 1)) // DOTS_X


def _draw_curves(plot: Canvas, drawing: Drawing) -> None:
    for column in np.unique(np.flatnonzero(drawing.below) // DOTS_X):
        plot.write(drawing.rows - 1, int(column), _BELOW, "mark")
    grids = rasterize(drawing.curves, drawing.y_axis, drawing.columns, drawing.rows)
    for role, dots in zip(drawing.roles, grids, strict=True):
        drawn = dots > 0
        # A cell has one colour, so a later curve replaces an earlier one's dots there: mixing
        # the dots of two curves would show a shape that neither has.
        plot.text[drawn] = characters(dots)[drawn]
        plot.owner[drawn] = plot.role(role)
    for points, non_finite in zip(drawing.points, drawing.curves.non_finite, strict=True):
        for point in points:
            plot.write(point.row, point.column, point.glyph, point.role)
        for column in np.flatnonzero(non_finite) // DOTS_X:
            plot.write(0, int(column), _NON_FINITE, "non_finite")


def _draw_pointer(plot: Canvas, spec: ChartSpec, x_axis: Axis, y_axis: Axis) -> None:
    """The cursor, and the edges of a box that is being drawn."""
    rows, columns = plot.text.shape
    if spec.cursor is not None and x_axis.low <= spec.cursor <= x_axis.high:
        column = cell_of(spec.cursor, x_axis, columns)
        free = np.isin(plot.owner[:, column], (-1, plot.role("mark")))
        plot.text[free, column] = _CURSOR
        plot.owner[free, column] = plot.role("cursor")
    if spec.box is None:
        return
    x0, y0, x1, y1 = spec.box
    left, right = sorted(min(max(cell_of(x, x_axis, columns), 0), columns - 1) for x in (x0, x1))
    pixel_rows = rows_of(np.array([y0, y1]), y_axis, rows * DOTS_Y) // DOTS_Y
    top, bottom = int(pixel_rows.min()), int(pixel_rows.max())
    for row in {top, bottom}:
        plot.write(row, left, "─" * (right - left + 1), "cursor")
    for row in range(top, bottom + 1):
        for column in (left, right):
            plot.write(row, column, _CURSOR, "cursor")


def _draw_marks(plot: Canvas, marks: Sequence[Mark], axis: Axis) -> None:
    columns = plot.text.shape[1]
    shown = [mark for mark in marks if axis.low < mark.x <= axis.high]
    marks = _thin_out(shown, columns // ROOM_PER_MARK)
    # Where there is no room for all labels, what is rare is named rather than a checkpoint.
    for mark in sorted(marks, key=lambda mark: _NAMED_FIRST.get(mark.kind, len(_NAMED_FIRST))):
        column = cell_of(mark.x, axis, columns)
        free = plot.owner[:, column] < 0
        plot.text[free, column] = _MARK
        plot.owner[free, column] = plot.role("mark")
        label, room = one_cell_each(mark.label), len(mark.label) + 2
        if label and plot.is_free(0, column + 1, room):
            plot.write(0, column + 1, " " + label, "mark_label")
        elif label and column + 1 + room > columns and plot.is_free(0, column - room, room):
            plot.write(0, column - room + 1, label + " ", "mark_label")


def _thin_out(marks: Iterable[Mark], most: int) -> list[Mark]:
    """The marks of every kind that has no more than `most`."""
    marks = list(marks)
    numbers: dict[str, int] = {}
    for mark in marks:
        numbers[mark.kind] = numbers.get(mark.kind, 0) + 1
    return [mark for mark in marks if numbers[mark.kind] <= most]


def _draw_labels(canvas: Canvas, x_axis: Axis, y_axis: Axis) -> None:
    height, width = canvas.text.shape
    rows = height - 1
    for tick, label in y_axis.pairs:
        row = round((1 - y_axis.position(tick)) * (rows * DOTS_Y - 1)) // DOTS_Y
        if canvas.is_free(row, 0, LABEL_WIDTH):
            canvas.write(row, 0, f"{label:>{LABEL_CELLS}}", "axis")
    next_free = 0
    for tick, label in x_axis.pairs:
        start = _label_start(tick, label, x_axis, width)
        room = min(len(label) + 2, width - start + 1)
        if start >= next_free and canvas.is_free(rows, start - 1, room):
            canvas.write(rows, start, label, "axis")
            next_free = start + len(label) + 2


def _draw_cursor_label(canvas: Canvas, cursor: float, axis: Axis, kind: XKind) -> None:
    """Where the cursor is, in place of the ticks near it."""
    height, width = canvas.text.shape
    if axis.low <= cursor <= axis.high:
        label = exact_x_label(cursor, kind)
        canvas.write(height - 1, _label_start(cursor, label, axis, width), label, "cursor")


def _label_start(x: float, label: str, axis: Axis, width: int) -> int:
    """The column where a label begins that is centred under `x`, as far as the line allows."""
    centre = LABEL_WIDTH + cell_of(x, axis, width - LABEL_WIDTH)
    return min(max(LABEL_WIDTH, centre - len(label) // 2), width - len(label))
