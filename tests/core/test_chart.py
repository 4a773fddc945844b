"""Charts as lines of text."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui_trainer.core.canvas import Row
from tui_trainer.core.chart import draw_chart, plot_chart
from tui_trainer.core.chart_drawing import LABEL_WIDTH
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark


def texts(rows: tuple[Row, ...]) -> list[str]:
    return ["".join(span.text for span in row) for row in rows]


def roles(rows: tuple[Row, ...]) -> set[str]:
    return {span.role for row in rows for span in row if span.text.strip()}


def line(values: list[float], role: str = "train", glyph: str = "") -> Curve:
    return Curve(np.arange(1.0, len(values) + 1), np.array(values), role, glyph)


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, st.integers(0, 100), elements=st.floats(allow_nan=True, width=64)),
    st.integers(1, 90),
    st.integers(1, 25),
    st.booleans(),
    st.sampled_from(["number", "fraction", "bytes"]),
)
def test_every_line_has_the_width_asked_for(
    y: np.ndarray, width: int, height: int, log: bool, kind: str
) -> None:
    curve = Curve(np.arange(len(y), dtype=np.float64), y, "train", "○")
    spec = ChartSpec(
        (curve,),
        (Mark(3.0, "ckpt"),),
        log=log,
        y_kind=kind,
        focus_x=3.0 if log else None,  # type: ignore[arg-type]
    )
    drawn = texts(draw_chart(spec, width, height))
    assert len(drawn) == height
    assert {len(text) for text in drawn} == {width}


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 5000), st.data())
def test_a_spike_survives_whatever_the_width(count: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, count - 1))
    width = data.draw(st.integers(20, 160))
    values = np.ones(count)
    values[at] = 100.0
    curve = Curve(np.arange(1.0, count + 1), values, "train")
    rows = draw_chart(ChartSpec((curve,)), width, 12)
    assert any(span.role == "train" for span in rows[0])


def test_one_bad_number_does_not_hide_the_rest() -> None:
    rows = draw_chart(ChartSpec((line([1.0, 2.0, float("inf"), float("nan"), 1.5]),)), 50, 10)
    assert {"train", "non_finite"} <= roles(rows)
    assert not any("inf" in text or "nan" in text for text in texts(rows))


def test_nothing_to_draw_says_so() -> None:
    assert "no data yet" in "".join(texts(draw_chart(ChartSpec(()), 40, 8)))
    nothing = ChartSpec((line([float("nan")] * 3),), empty="reading")
    assert "reading" in "".join(texts(draw_chart(nothing, 40, 8)))


def test_a_later_curve_covers_an_earlier_one_and_never_mixes_its_dots() -> None:
    front, back = line([1.0, 1.0, 1.0], "front"), line([1.0, 1.0, 1.0], "back")
    rows = draw_chart(ChartSpec((back, front)), 40, 8)
    assert "front" in roles(rows) and "back" not in roles(rows)
    alone = draw_chart(ChartSpec((front,)), 40, 8)
    assert texts(alone) == texts(rows)


def test_a_log_axis_takes_values_at_or_below_zero_to_its_floor() -> None:
    rows = draw_chart(ChartSpec((line([1.0, 0.1, 0.0, -1.0]),), log=True), 40, 10)
    assert any(span.role == "train" for span in rows[-2])
    all_negative = draw_chart(ChartSpec((line([-1.0, -2.0]),), log=True), 40, 10)
    assert "train" in roles(all_negative)


def test_points_are_marked_where_there_is_room() -> None:
    few = ChartSpec((line([0.5, 0.6, 0.7], "validation", "○"),))
    assert sum(text.count("○") for text in texts(draw_chart(few, 60, 10))) == 3
    many = ChartSpec((line([0.5] * 300, "validation", "○"),))
    assert not any("○" in text for text in texts(draw_chart(many, 60, 10)))


def test_marks_stand_behind_curves_and_too_many_of_a_kind_go() -> None:
    curve = line([1.0] * 100)
    rows = draw_chart(ChartSpec((curve,), (Mark(50.0, "ckpt", "checkpoint"),)), 60, 10)
    assert "ckpt" in texts(rows)[0]
    assert {"mark", "mark_label"} <= roles(rows)
    crowd = tuple(Mark(float(at), "", "epoch") for at in range(1, 100))
    assert "mark" not in roles(draw_chart(ChartSpec((curve,), crowd), 60, 10))


def test_what_is_rare_is_named_rather_than_a_checkpoint() -> None:
    marks = (Mark(10.0, "ckpt", "checkpoint"), Mark(11.0, "resume", "resume"))
    top = texts(draw_chart(ChartSpec((line([1.0] * 50),), marks), 60, 8))[0]
    assert "resume" in top and "ckpt" not in top


def test_a_label_of_wide_characters_does_not_shift_the_line() -> None:
    spec = ChartSpec((line([1.0] * 50),), (Mark(10.0, "漢字🙂"),))
    assert all(text.isascii() or len(text) == 60 for text in texts(draw_chart(spec, 60, 8)))
    assert "???" in texts(draw_chart(spec, 60, 8))[0]


def test_a_live_axis_stands_still_while_the_run_grows() -> None:
    def labels(count: int) -> str:
        spec = ChartSpec((line([1.0] * count),), is_live=True, x_end=2345.0)
        return texts(draw_chart(spec, 80, 8))[-1]

    assert labels(1260) == labels(1500)
    assert labels(2001)[LABEL_WIDTH:].split()[-1] == "000"  # 2 000: ends with the planned steps


@pytest.mark.parametrize("live", [False, True])
def test_charts_beside_one_another_have_one_x_axis(live: bool) -> None:
    def labels(count: int) -> str:
        spec = ChartSpec((line([1.0] * count),), is_live=live, x_end=2345.0, x_data=(0.0, 1260.0))
        return texts(draw_chart(spec, 80, 8))[-1]

    assert labels(1260) == labels(900) == labels(1)


@pytest.mark.parametrize("log", [False, True])
def test_a_million_points_are_drawn_fast(log: bool) -> None:
    y = np.random.default_rng(0).lognormal(size=1_000_000)
    spec = ChartSpec((Curve(np.arange(1.0, 1_000_001), y, "train"),), log=log)
    times = []
    for _ in range(7):
        started = time.perf_counter()
        draw_chart(spec, 120, 30)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.03  # 2–3 ms on one core; room for a busy machine


def test_a_focus_shows_what_follows_close_up_and_hints_at_what_lies_below() -> None:
    climb = line([0.1] * 50 + [0.95, 0.97] * 25)
    rows = draw_chart(ChartSpec((climb,), y_kind="fraction", focus_x=51.0), 80, 12)
    labels = [text[:LABEL_WIDTH].strip() for text in texts(rows)[:-1]]
    assert min(float(label) for label in labels if label) >= 0.9
    assert "▾" in texts(rows)[-2]
    whole = draw_chart(ChartSpec((climb,), y_kind="fraction"), 80, 12)
    assert not any("▾" in text for text in texts(whole))


def test_a_fall_after_the_focus_stays_in_sight() -> None:
    fall = line([0.1] * 50 + [0.95] * 40 + [0.2] + [0.95] * 40)
    rows = draw_chart(ChartSpec((fall,), y_kind="fraction", focus_x=51.0), 80, 12)
    assert any(span.role == "train" for row in rows[-4:-1] for span in row)


def test_a_chart_that_comes_out_the_same_is_not_drawn_anew() -> None:
    x = np.arange(1000.0)
    spec = ChartSpec((Curve(x, np.sin(x), "train", "○"),), is_live=True)
    before = plot_chart(spec, 60, 12)
    longer = np.append(x, 1000.0)
    same = replace(spec, curves=(Curve(longer, np.append(np.sin(x), np.sin(999.0)), "train", "○"),))
    assert plot_chart(same, 60, 12).rows == before.rows
    assert plot_chart(same, 60, 12, before) is before


@pytest.mark.parametrize(
    "change",
    [
        {"curves": (Curve(np.arange(1000.0), np.cos(np.arange(1000.0) / 150), "train"),)},
        {"curves": (Curve(np.arange(1000.0), np.sin(np.arange(1000.0) / 150), "validation"),)},
        {"marks": (Mark(500.0, "lr 0.1", "lr"),)},
        {"cursor": 500.0},
        {"window": (100.0, 300.0)},
        {"y_window": (-0.5, 0.5)},
        {"box": (100.0, -0.5, 300.0, 0.5)},
        {"x_kind": "time"},
    ],
)
def test_a_chart_that_comes_out_differently_is_drawn_anew(change: dict[str, Any]) -> None:
    x = np.arange(1000.0)
    spec = ChartSpec((Curve(x, np.sin(x / 150), "train"),))
    before = plot_chart(spec, 60, 12)
    changed = replace(spec, **change)
    drawn = plot_chart(changed, 60, 12, before)
    assert drawn.rows == draw_chart(changed, 60, 12)
    assert drawn.rows != before.rows


def test_a_chart_of_another_size_is_drawn_anew() -> None:
    x = np.arange(1000.0)
    spec = ChartSpec((Curve(x, np.sin(x), "train"),))
    assert plot_chart(spec, 61, 12, plot_chart(spec, 60, 12)).rows == draw_chart(spec, 61, 12)
