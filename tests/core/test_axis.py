"""Bounds, ticks and labels."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tui_trainer.core.axis import LABEL_CELLS, calm_end, make_x_axis, make_y_axis

FINITE = st.floats(-1e12, 1e12, allow_subnormal=False)


@settings(max_examples=200)
@given(FINITE, FINITE, st.integers(3, 50), st.booleans())
def test_the_data_lie_inside_and_labels_fit(one: float, two: float, rows: int, log: bool) -> None:
    low, high = min(one, two), max(one, two)
    axis = make_y_axis(low, high, rows, log=log)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert axis.low <= low + slack and high - slack <= axis.high
    assert axis.low < axis.high
    assert all(len(label) <= LABEL_CELLS for label in axis.labels)


@given(st.floats(1e-9, 1e12), st.integers(3, 50))
def test_a_label_says_the_tick_that_it_stands_at(high: float, rows: int) -> None:
    axis = make_y_axis(0.0, high, rows)
    told = [(tick, float(label)) for tick, label in axis.pairs if label]
    assert len(told) >= 2
    assert all(abs(number - tick) <= 0.01 * axis.ticks[1] for tick, number in told)


def test_labels_of_usual_charts_fit_six_cells_and_differ() -> None:
    for low, high in [(0.0, 1.0), (0.9, 0.99), (1e-5, 0.1), (0.02, 30), (0, 12345)]:
        for log in (False, True):
            labels = make_y_axis(low, high, 15, log=log).labels
            assert all(len(label) <= 6 for label in labels), labels
            assert len(set(labels)) == len(labels) >= 2


def test_log_ticks_are_decades_and_their_parts() -> None:
    assert make_y_axis(1e-3, 1e3, 6, log=True).labels == ("0.001", "0.1", "10", "1000")
    assert "0.5" in make_y_axis(0.1, 1, 20, log=True).labels
    assert make_y_axis(100, 1e6, 12, log=True).labels == ("100", "1000", "10000", "1e5", "1e6")


def test_bytes_are_told_in_one_unit() -> None:
    axis = make_y_axis(0, 3 * 2**30, 12, kind="bytes")
    assert axis.labels[0] == "0"
    assert all(label.endswith("G") for label in axis.labels[1:])


def test_a_fraction_stays_between_zero_and_one() -> None:
    axis = make_y_axis(1.0, 1.0, 10, kind="fraction")
    assert axis.low < 1.0 and axis.high == 1.0


@given(st.floats(1e-3, 1e12))
def test_a_calm_end_is_at_or_a_third_above(value: float) -> None:
    assert value * 0.999999 <= calm_end(value) <= value * 1.34


def test_times_are_told_as_clocks() -> None:
    assert make_x_axis(0, 120, 60, kind="time").labels == ("0:00", "0:30", "1:00", "1:30", "2:00")
    assert make_x_axis(0, 1600, 60).labels[:3] == ("0", "500", "1 000")
