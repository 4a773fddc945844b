"""A chart as shapes on a sheet: what a file of any kind shows, before it is written as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tui_trainer.core.axis import Axis
from tui_trainer.core.braille import Columns, reduce_columns
from tui_trainer.core.chart import plot_chart
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark
from tui_trainer.core.tables import FloatArray

WIDTH, HEIGHT = 960, 540
"""The sheet in points."""
_LEFT, _RIGHT, _BOTTOM = 76.0, WIDTH - 28.0, HEIGHT - 58.0
_TITLE_Y, _NOTE_Y, _LEGEND_Y, _LEGEND_LINE, _PLOT_GAP = 36.0, 57.0, 82.0, 20.0, 26.0
_TITLE_SIZE, _TEXT_SIZE = 20.0, 12.5
_CHARACTER = 6.9  # about as wide as one is at the size of text
_COLUMN_POINTS, _ROW_POINTS = 8.0, 16.0
_MOST_LEGEND_LINES = 6
_EXACT_POINTS = 2000
_MOST_GLYPHS, _MOST_MARKS = 60, 40
_FAR = 1e5
_EDGE = 5.0
_DENSITY = 2  # columns of a curve to a point
_AXIS_NAMES = {
    "step": "step",
    "epoch": "epoch",
    "time": "time of training",
    "wall": "time of day",
}

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines; a filled one is an area with an edge."""

    points: tuple[Point, ...]
    role: str
    width: float = 1.6
    is_filled: bool = False
    is_dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A measured point: a ring, or a diamond where `glyph` is one."""

    x: float
    y: float
    role: str
    glyph: str


@dataclass(frozen=True)
class Text:
    """A line of text that begins, has its middle or ends at `x`; `y` is its base line."""

    x: float
    y: float
    text: str
    role: str
    size: float = _TEXT_SIZE
    anchor: Literal["start", "middle", "end"] = "start"


Shape = Line | Dot | Text


@dataclass(frozen=True)
class Picture:
    """Shapes back to front: those of the plot, cut at its `box`, then those around it."""

    box: Box
    inside: tuple[Shape, ...]
    around: tuple[Shape, ...]


@dataclass(frozen=True)
class ChartTitle:
    """What a chart shows: of which run, which metric, and how, such as smoothed."""

    run: str
    metric: str
    note: str = ""


def draw_picture(spec: ChartSpec, title: ChartTitle, names: Sequence[str]) -> Picture:
    """The chart as it is on the screen, drawn finer. `names` are of its curves, empty for none."""
    note = " · ".join(filter(None, (title.note, "log y" if spec.log else "")))
    legend_y = _LEGEND_Y if note else _NOTE_Y
    legend, lines = _draw_legend(spec.curves, names, legend_y)
    top = legend_y + _LEGEND_LINE * max(0, lines - 1) + _PLOT_GAP
    sheet = _Sheet.fit(spec, (_LEFT, top, _RIGHT, _BOTTOM))
    heading = [Text(_LEFT, _TITLE_Y, f"{title.run} · {title.metric}", "strong", _TITLE_SIZE)]
    if note:
        heading.append(Text(_LEFT, _NOTE_Y, note, "quiet"))
    if sheet is None:
        empty = Text(
            (_LEFT + _RIGHT) / 2, (top + _BOTTOM) / 2, spec.empty, "faint", anchor="middle"
        )
        return Picture(_edge((_LEFT, top, _RIGHT, _BOTTOM)), (), (*heading, empty))
    marks, mark_labels = _draw_marks(sheet, spec.marks)
    curves = [shape for curve in spec.curves for shape in _draw_curve(sheet, curve, log=spec.log)]
    around = [*heading, *legend, *mark_labels, *_draw_labels(sheet, _AXIS_NAMES[spec.x_kind])]
    return Picture(_edge(sheet.box), (*_draw_grid(sheet), *marks, *curves), tuple(around))


def _edge(box: Box) -> Box:
    """The box with room for the half of a dot or a line that lies on its border."""
    left, top, right, bottom = box
    return left - _EDGE, top - _EDGE, right + _EDGE, bottom + 1


@dataclass(frozen=True)
class _Sheet:
    """The plot's place on the sheet and its axes."""

    box: Box
    x_axis: Axis
    y_axis: Axis

    @classmethod
    def fit(cls, spec: ChartSpec, box: Box) -> _Sheet | None:
        """The axes that the chart has on a screen of this size; None where nothing is drawn."""
        left, top, right, bottom = box
        columns, rows = (right - left) / _COLUMN_POINTS, (bottom - top) / _ROW_POINTS
        shown = plot_chart(replace(spec, cursor=None, box=None), round(columns), round(rows))
        if shown.x_axis is None or shown.y_axis is None:
            return None
        return cls(box, shown.x_axis, shown.y_axis)

    def x(self, values: FloatArray) -> FloatArray:
        left, _, right, _ = self.box
        share = (values - self.x_axis.low) / (self.x_axis.high - self.x_axis.low)
        return _near(left + share * (right - left))

    def y(self, values: FloatArray) -> FloatArray:
        _, top, _, bottom = self.box
        low, high = self.y_axis.low, self.y_axis.high
        if self.y_axis.is_log:
            values = np.log10(np.maximum(values, low * 1e-3))
            low, high = np.log10(low), np.log10(high)
        return _near(bottom - (values - low) / (high - low) * (bottom - top))

    def point(self, x: float, y: float) -> Point:
        return float(self.x(np.array([x]))[0]), float(self.y(np.array([y]))[0])


def _near(places: FloatArray) -> FloatArray:
    """The places where a file can hold them; what is cut off may be nearer than it is."""
    near: FloatArray = np.clip(places, -_FAR, _FAR)
    return near


def _draw_curve(sheet: _Sheet, curve: Curve, *, log: bool) -> Iterator[Shape]:
    first, last = np.searchsorted(curve.x, [sheet.x_axis.low, sheet.x_axis.high])
    part = slice(max(0, int(first) - 1), int(last) + 1)
    if curve.ranges is None and part.stop - part.start <= _EXACT_POINTS:
        yield from _draw_points(sheet, curve, curve.x[part], curve.y[part])
    else:
        yield from _draw_ranges(sheet, curve, log=log)


def _draw_points(sheet: _Sheet, curve: Curve, x: FloatArray, y: FloatArray) -> Iterator[Shape]:
    """Every point, joined by lines that stop where one is not finite."""
    finite = np.isfinite(y)
    places = np.stack((sheet.x(x), sheet.y(np.where(finite, y, 0.0))), axis=1)
    for start, stop in _spans(finite):
        points = tuple((float(a), float(b)) for a, b in places[start:stop])
        yield Line(points if len(points) > 1 else points * 2, curve.role)
    yield from _draw_non_finite(sheet, x[~finite])
    inside = finite & (x >= sheet.x_axis.low) & (x <= sheet.x_axis.high)
    if curve.glyph and inside.sum() <= _MOST_GLYPHS:
        for a, b in places[inside]:
            yield Dot(float(a), float(b), curve.role, curve.glyph)


def _draw_ranges(sheet: _Sheet, curve: Curve, *, log: bool) -> Iterator[Shape]:
    """The area between the least and the greatest of the points at each place."""
    left, _, right, _ = sheet.box
    low, high = sheet.x_axis.low, sheet.x_axis.high
    count = round((right - left) * _DENSITY)
    columns: Columns = reduce_columns(
        curve.x, curve.y, low, high, count, log=log, ranges=curve.ranges
    )
    x = low + (high - low) * np.arange(count) / (count - 1)
    drawn = np.isfinite(columns.low) & np.isfinite(columns.high)
    lows = sheet.y(np.where(drawn, columns.low, 1.0))
    highs = sheet.y(np.where(drawn, columns.high, 1.0))
    places = sheet.x(x)
    for start, stop in _spans(drawn):
        upper = [(float(a), float(b)) for a, b in zip(places, highs, strict=True)][start:stop]
        lower = [(float(a), float(b)) for a, b in zip(places, lows, strict=True)][start:stop]
        yield Line((*upper, *reversed(lower)), curve.role, width=1.3, is_filled=True)
    yield from _draw_non_finite(sheet, x[columns.non_finite])


def _spans(drawn: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterable[tuple[int, int]]:
    """First and one past the last index of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], drawn, [False])).astype(np.int8)))
    return ((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def _draw_non_finite(sheet: _Sheet, x: FloatArray) -> Iterator[Shape]:
    """A cross at the top for each value that is not finite."""
    y, arm = sheet.box[1] + 6.0, 3.5
    shown = (x >= sheet.x_axis.low) & (x <= sheet.x_axis.high)
    for place in np.unique(np.round(sheet.x(x[shown]))):
        for sign in (1, -1):
            ends = ((float(place) - arm, y - sign * arm), (float(place) + arm, y + sign * arm))
            yield Line(ends, "non_finite")


def _draw_marks(sheet: _Sheet, marks: Sequence[Mark]) -> tuple[list[Shape], list[Shape]]:
    """Dashed lines, and over the plot what they are as far as there is room."""
    _, top, right, bottom = sheet.box
    shown = [mark for mark in marks if sheet.x_axis.low < mark.x <= sheet.x_axis.high]
    kinds = [mark.kind for mark in shown]
    lines: list[Shape] = []
    labels: list[Shape] = []
    free = 0.0
    for mark in sorted(shown, key=lambda mark: mark.x):
        if kinds.count(mark.kind) > _MOST_MARKS:
            continue
        x, _ = sheet.point(mark.x, sheet.y_axis.high)
        lines.append(Line(((x, top), (x, bottom)), "mark", width=1.0, is_dashed=True))
        end = x + _text_width(mark.label) / 2
        if mark.label and end - _text_width(mark.label) > free and end < right + 20:
            labels.append(Text(x, top - 6, mark.label, "mark_label", 11.0, "middle"))
            free = end + 8
    return lines, labels


def _draw_grid(sheet: _Sheet) -> Iterator[Shape]:
    left, _, right, _ = sheet.box
    for tick in sheet.y_axis.ticks:
        _, y = sheet.point(sheet.x_axis.low, tick)
        yield Line(((left, y), (right, y)), "line", width=1.0)


def _draw_labels(sheet: _Sheet, x_name: str) -> Iterator[Shape]:
    """The labels of both axes, and ticks along the lower."""
    left, _, right, bottom = sheet.box
    yield Line(((left, bottom), (right, bottom)), "axis", width=1.0)
    for tick, label in zip(sheet.y_axis.ticks, sheet.y_axis.labels, strict=True):
        _, y = sheet.point(sheet.x_axis.low, tick)
        yield Text(left - 10, y + 4.5, label, "axis", anchor="end")
    for tick, label in zip(sheet.x_axis.ticks, sheet.x_axis.labels, strict=True):
        x, _ = sheet.point(tick, sheet.y_axis.high)
        yield Line(((x, bottom), (x, bottom + 5)), "axis", width=1.0)
        yield Text(x, bottom + 20, label, "axis", anchor="middle")
    yield Text((left + right) / 2, bottom + 42, x_name, "quiet", anchor="middle")


def _draw_legend(
    curves: Sequence[Curve], names: Sequence[str], top: float
) -> tuple[list[Shape], int]:
    """A sample of each named curve, those in front first, and how many lines they take."""
    shapes: list[Shape] = []
    x, line = _LEFT, 0
    for curve, name in _named(curves, names):
        width = 34 + _text_width(name)
        if x > _LEFT and x + width > _RIGHT:
            x, line = _LEFT, line + 1
        if line >= _MOST_LEGEND_LINES:
            break
        y = top + line * _LEGEND_LINE - 4.5
        shapes.append(Line(((x, y), (x + 22, y)), curve.role, width=3.0))
        if curve.glyph:
            shapes.append(Dot(x + 11, y, curve.role, curve.glyph))
        shapes.append(Text(x + 29, y + 4.5, name, "text"))
        x += width + 18
    return shapes, min(line + 1, _MOST_LEGEND_LINES)


def _named(curves: Sequence[Curve], names: Sequence[str]) -> Iterator[tuple[Curve, str]]:
    """The curves with a name of their own, each name once."""
    told = set()
    for curve, name in reversed(list(zip(curves, names, strict=True))):
        if name and name not in told:
            told.add(name)
            yield curve, name


def _text_width(text: str) -> float:
    return _CHARACTER * len(text)
