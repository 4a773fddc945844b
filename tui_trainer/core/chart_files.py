"""The text of files that hold a chart: SVG for people, CSV for programs."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tui_trainer.core.chart import x_range
from tui_trainer.core.chart_spec import ChartSpec, Curve
from tui_trainer.core.picture import HEIGHT, WIDTH, Dot, Line, Picture, Shape, Text
from tui_trainer.core.tables import FloatArray, Table
from tui_trainer.core.text_safety import sanitize

DOT_RADIUS = 3.6
_FONTS = "Inter, Helvetica, Arial, 'DejaVu Sans', sans-serif"
_X_COLUMNS = {"step": "step", "epoch": "epoch", "time": "elapsed_s", "wall": "t"}
_OTHER_AXES = ("step", "elapsed_s")
# Characters that no XML may hold, and that are none.
_NO_XML = re.compile("[\ufffe\uffff]")
# What a spreadsheet would take for a formula.
_FORMULA = re.compile("[=+@-]")

ColorOf = Callable[[str], str]


def write_svg(picture: Picture, color_of: ColorOf, background: str) -> str:
    """The picture as an SVG document."""
    left, top, right, bottom = picture.box
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{_FONTS}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{background}"/>',
        f'<clipPath id="plot"><rect x="{left:g}" y="{top:g}" width="{right - left:g}" '
        f'height="{bottom - top:g}"/></clipPath>',
        '<g clip-path="url(#plot)">',
        *(_svg_shape(shape, color_of, background) for shape in picture.inside),
        "</g>",
        *(_svg_shape(shape, color_of, background) for shape in picture.around),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _svg_shape(shape: Shape, color_of: ColorOf, background: str) -> str:
    color = color_of(shape.role)
    match shape:
        case Line():
            return _svg_line(shape, color)
        case Dot(glyph="◇"):
            ends = diamond(shape.x, shape.y)
            return (
                f'<polygon points="{_svg_points(ends)}" fill="{background}" stroke="{color}" '
                'stroke-width="1.6"/>'
            )
        case Dot():
            return (
                f'<circle cx="{shape.x:.2f}" cy="{shape.y:.2f}" r="{DOT_RADIUS}" '
                f'fill="{background}" stroke="{color}" stroke-width="1.6"/>'
            )
        case Text():
            weight = ' font-weight="600"' if shape.role == "strong" else ""
            return (
                f'<text x="{shape.x:.2f}" y="{shape.y:.2f}" font-size="{shape.size:g}"{weight} '
                f'text-anchor="{shape.anchor}" fill="{color}">{_svg_text(shape.text)}</text>'
            )


def _svg_line(line: Line, color: str) -> str:
    how = f'stroke="{color}" stroke-width="{line.width:g}" stroke-linejoin="round"'
    if line.is_filled:
        return f'<polygon points="{_svg_points(line.points)}" fill="{color}" {how}/>'
    dash = ' stroke-dasharray="3 4"' if line.is_dashed else ' stroke-linecap="round"'
    return f'<polyline points="{_svg_points(line.points)}" fill="none" {how}{dash}/>'


def _svg_points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _svg_text(text: str) -> str:
    return html.escape(_NO_XML.sub("", sanitize(text)), quote=False)


def diamond(x: float, y: float) -> tuple[tuple[float, float], ...]:
    """The corners of the diamond that marks a point."""
    arm = DOT_RADIUS * 1.3
    return (x, y - arm), (x + arm, y), (x, y + arm), (x - arm, y)


def write_csv(spec: ChartSpec, names: Sequence[str], table: Table | None = None) -> str:
    """The points in sight, a row for each place on the x axis and a column for each curve.

    With the `table` of the steps, rows also tell the step and the seconds of training there. A
    curve whose points stand for many gets two more columns: the least and the greatest of them.
    """
    low, high = x_range(spec)
    curves = [_within(curve, low, high) for curve in spec.curves]
    x, rows = _align([curve.x for curve in curves])
    headings = [_X_COLUMNS[spec.x_kind]]
    columns: list[Sequence[str]] = [_axis_cells(x)]
    for name, values in _other_axes(spec, table, x):
        headings.append(name)
        columns.append(_axis_cells(values))
    for curve, own_rows, name in zip(curves, rows, _distinct(names), strict=True):
        for suffix, column in _columns_of(curve):
            headings.append(name + suffix)
            columns.append(_spread(column, own_rows, len(x)))
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(map(_cell_text, headings))
    writer.writerows(zip(*columns, strict=True))
    return content.getvalue()


def _within(curve: Curve, low: float, high: float) -> Curve:
    first, last = int(np.searchsorted(curve.x, low)), int(np.searchsorted(curve.x, high, "right"))
    part = slice(first, max(first, last))
    ranges = curve.ranges
    if ranges is not None:
        ranges = type(ranges)(ranges.low[part], ranges.high[part], ranges.non_finite[part])
    return Curve(curve.x[part], curve.y[part], curve.role, curve.glyph, ranges)


def _align(columns: Sequence[FloatArray]) -> tuple[FloatArray, list[np.ndarray]]:
    """Every x once, or as often as the curve has it that has it most, and each curve's rows."""
    keys = [np.stack((x, np.arange(len(x)) - np.searchsorted(x, x)), axis=1) for x in columns] or [
        np.empty((0, 2))
    ]
    whole, rows = np.unique(np.concatenate(keys), axis=0, return_inverse=True)
    cuts = np.cumsum([len(x) for x in columns])[:-1]
    return whole[:, 0], np.split(rows.reshape(-1), cuts)


def _other_axes(
    spec: ChartSpec, table: Table | None, x: FloatArray
) -> Iterable[tuple[str, FloatArray]]:
    """What the other axes say at each x: at the first row that reaches there."""
    if table is None or not len(table):
        return
    own = table.x(spec.x_kind)
    nearest = np.minimum(np.searchsorted(own, x), len(own) - 1)
    for name in _OTHER_AXES:
        if name != _X_COLUMNS[spec.x_kind]:
            yield name, table[name][nearest]


def _axis_cells(values: FloatArray) -> list[str]:
    return [repr(int(value) if value.is_integer() else value) for value in values.tolist()]


def _columns_of(curve: Curve) -> Iterable[tuple[str, FloatArray]]:
    yield "", curve.y
    if curve.ranges is not None:
        yield " least", curve.ranges.low
        yield " greatest", curve.ranges.high


def _spread(values: FloatArray, rows: np.ndarray, count: int) -> list[str]:
    column = [""] * count
    for row, value in zip(rows.tolist(), values.tolist(), strict=True):
        column[row] = repr(value)
    return column


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, numbered where two would be the same."""
    distinct: list[str] = []
    for name in (name or "curve" for name in names):
        number, unique = 1, name
        while unique in distinct:
            number += 1
            unique = f"{name} {number}"
        distinct.append(unique)
    return distinct


def _cell_text(text: str) -> str:
    text = sanitize(text)
    return f"'{text}" if _FORMULA.match(text) else text
