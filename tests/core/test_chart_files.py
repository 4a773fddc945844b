"""Charts as SVG for people and as CSV for programs."""

from __future__ import annotations

import csv
import io
import math
import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.core.chart_files import write_csv, write_svg
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark
from tui_trainer.core.picture import ChartTitle, Dot, Line, Text, draw_picture
from tui_trainer.core.tables import Ranges, Table

_SVG = "{http://www.w3.org/2000/svg}"
TITLE = ChartTitle("run42", "loss", "smooth 0.6")


def curve(x: list[float], y: list[float], role: str = "train", glyph: str = "") -> Curve:
    return Curve(np.array(x, float), np.array(y, float), role, glyph)


def svg_of(spec: ChartSpec, title: ChartTitle = TITLE, names: list[str] | None = None) -> str:
    picture = draw_picture(spec, title, names or [curve.role for curve in spec.curves])
    return write_svg(picture, lambda role: "#123456", "#ffffff")


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{_SVG}text")]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


SPEC = ChartSpec(
    curves=(
        curve([1, 2, 3, 4], [2.0, 1.0, 0.5, 0.25]),
        curve([2, 4], [1.5, 0.5], "validation", "○"),
    ),
    marks=(Mark(2.0, "best", "checkpoint"),),
)


def test_a_picture_has_title_axes_ticks_legend_and_marks() -> None:
    told = texts_of(svg_of(SPEC))
    assert told[:2] == ["run42 · loss", "smooth 0.6"]
    assert {"train", "validation", "best", "step", "0", "4"} <= set(told)
    picture = draw_picture(SPEC, TITLE, ["train", "validation"])
    assert sum(isinstance(shape, Dot) for shape in picture.inside) == 2
    assert any(isinstance(shape, Line) and shape.is_dashed for shape in picture.inside)


def test_a_logarithmic_scale_is_stated() -> None:
    assert "log y" not in "".join(texts_of(svg_of(SPEC)))
    logarithmic = ChartSpec(SPEC.curves, log=True)
    assert "smooth 0.6 · log y" in texts_of(svg_of(logarithmic))


def test_curves_without_a_name_are_not_in_the_legend_and_none_is_twice() -> None:
    spec = ChartSpec((SPEC.curves[0], SPEC.curves[0], SPEC.curves[1]))
    told = texts_of(svg_of(spec, names=["one", "one", ""]))
    assert told.count("one") == 1 and "validation" not in told


def test_a_chart_of_nothing_says_so() -> None:
    assert "no data yet" in texts_of(svg_of(ChartSpec(())))


def test_values_that_are_not_finite_are_gaps_with_a_cross() -> None:
    spec = ChartSpec((curve([1, 2, 3, 4, 5], [1.0, 2.0, math.nan, 2.0, 1.0]),))
    inside = draw_picture(spec, TITLE, ["train"]).inside
    parts = [shape for shape in inside if isinstance(shape, Line) and shape.role == "train"]
    assert [len(part.points) for part in parts] == [2, 2]
    assert sum(isinstance(shape, Line) and shape.role == "non_finite" for shape in inside) == 2


def test_no_spike_among_a_million_is_lost() -> None:
    y = np.ones(1_000_000)
    y[654_321] = 9.0
    spec = ChartSpec((Curve(np.arange(1.0, 1_000_001.0), y, "train"),))
    picture = draw_picture(spec, TITLE, ["train"])
    (area,) = [shape for shape in picture.inside if isinstance(shape, Line) and shape.is_filled]
    heights = [y for _, y in area.points]
    assert max(heights) - min(heights) > 0.7 * (picture.box[3] - picture.box[1])
    assert len(write_svg(picture, lambda role: "#123456", "#ffffff")) < 200_000


def test_only_what_is_in_the_window_is_labelled() -> None:
    spec = ChartSpec(SPEC.curves, window=(2.0, 3.0))
    picture = draw_picture(spec, TITLE, ["train", "validation"])
    ticks = [shape.text for shape in picture.around if isinstance(shape, Text)]
    assert "2" in ticks and "3" in ticks and "4" not in ticks
    assert [row[0] for row in rows_of(write_csv(spec, ["train", "validation"]))] == [
        "step", "2", "3",
    ]  # fmt: skip


_NUMBERS = st.floats()
_TEXT = st.text(max_size=20) | st.sampled_from(
    ["</text><script>x</script>", "\x1b[2J", "\u202eabc", "\ufffe\x00", "=1+1", "\"&<>'", "漢字"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_NUMBERS, max_size=6), _TEXT, st.booleans(),
    st.sampled_from(["step", "epoch", "time", "wall"]),
)  # fmt: skip
def test_whatever_is_in_the_data_the_files_are_whole(
    values: list[float], text: str, log: bool, x_kind: str
) -> None:
    x = list(map(float, range(1, len(values) + 1)))
    spec = ChartSpec(
        (curve(x, values), curve(x[:2], values[:2], "validation", "◇")),
        marks=(Mark(1.5, text, "control"),),
        x_kind=x_kind,  # type: ignore[arg-type]
        log=log,
        empty=text,
    )
    svg = svg_of(spec, ChartTitle(text, text, text), [text, "other"])
    root = ElementTree.fromstring(svg)
    assert {element.tag.removeprefix(_SVG) for element in root.iter()} <= {
        "svg", "rect", "clipPath", "g", "polyline", "polygon", "circle", "text",
    }  # fmt: skip
    for element in root.iter():
        assert not {"nan", "inf"} & set(re.findall("nan|inf", element.get("points", "")))
    rows = rows_of(write_csv(spec, [text, "other"]))
    assert len(rows) == 1 + len(values)
    assert {len(row) for row in rows} == {3}
    assert not rows[0][1].startswith(("=", "+", "-", "@", "\t", "\r"))
    read = [float(row[1]) for row in rows[1:]]
    assert all(a == b or (a != a and b != b) for a, b in zip(read, values, strict=True))


def test_rows_stand_together_by_the_x_axis() -> None:
    rows = rows_of(write_csv(SPEC, ["training", "validation"]))
    assert rows == [
        ["step", "training", "validation"],
        ["1", "2.0", ""],
        ["2", "1.0", "1.5"],
        ["3", "0.5", ""],
        ["4", "0.25", "0.5"],
    ]


def test_points_at_the_same_place_all_have_a_row() -> None:
    spec = ChartSpec((curve([1, 2, 2], [0.1, 0.2, 0.3]), curve([2], [7.0])), x_kind="time")
    rows = rows_of(write_csv(spec, ["a", "a"]))
    assert rows[0] == ["elapsed_s", "a", "a 2"]
    assert rows[1:] == [["1", "0.1", ""], ["2", "0.2", "7.0"], ["2", "0.3", ""]]


def test_a_table_tells_the_step_and_the_time_of_each_row() -> None:
    table = Table({
        "step": np.array([1.0, 2.0, 3.0, 4.0]),
        "elapsed_s": np.array([0.5, 1.0, 1.5, 2.25]),
        "t": np.array([100.5, 101.0, 101.5, 102.25]),
    })  # fmt: skip
    rows = rows_of(write_csv(SPEC, ["a", "b"], table))
    assert rows[0][:2] == ["step", "elapsed_s"] and [row[1] for row in rows[1:]] == [
        "0.5", "1", "1.5", "2.25",
    ]  # fmt: skip
    over_time = ChartSpec((curve([0.5, 1.2], [1.0, 2.0]),), x_kind="time")
    rows = rows_of(write_csv(over_time, ["a"], table))
    assert rows == [["elapsed_s", "step", "a"], ["0.5", "1", "1.0"], ["1.2", "3", "2.0"]]


def test_points_that_stand_for_many_tell_what_they_range_over() -> None:
    low, high = np.array([0.5, 1.0]), np.array([1.5, 3.0])
    merged = Curve(
        np.array([4.0, 8.0]), np.array([1.0, 2.0]), "train",
        ranges=Ranges(low, high, np.array([False, False])),
    )  # fmt: skip
    rows = rows_of(write_csv(ChartSpec((merged,)), ["training"]))
    assert rows[0] == ["step", "training", "training least", "training greatest"]
    assert rows[2] == ["8", "2.0", "1.0", "3.0"]
    picture = draw_picture(ChartSpec((merged,)), TITLE, ["training"])
    assert any(isinstance(shape, Line) and shape.is_filled for shape in picture.inside)
