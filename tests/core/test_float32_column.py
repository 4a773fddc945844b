"""Columns of float32 values are written as short as they can be, and read back the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tui_trainer.core.event_lines import decode_line, encode_line
from tui_trainer.core.events import Steps
from tui_trainer.core.float32_column import Float32Column

_floats = st.lists(st.floats(width=32), min_size=1, max_size=20)


def _read_back(values_N: list[float]) -> Steps:
    column = Float32Column(np.array(values_N, np.float32))
    event = decode_line(encode_line(builders.steps(loss=column, grad_norm=column[:1])))
    assert isinstance(event, Steps)
    return event


@given(_floats)
def test_a_reader_gets_the_same_values(values: list[float]) -> None:
    event = _read_back(values)
    read = np.array([float(value) for value in event.loss], np.float32)
    assert np.array_equal(read, np.array(values, np.float32), equal_nan=True)
    assert len(event.grad_norm) == 1


@given(_floats)
def test_an_item_is_what_a_reader_gets(values: list[float]) -> None:
    column = Float32Column(np.array(values, np.float32))
    assert tuple(column) == _read_back(values).loss
    assert len(column) == len(values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1, 1 / 3, 2.5e-8], b"[0.1,0.33333334,2.5e-8]"),
        ([16777216, -0.0], b"[16777216.0,-0.0]"),
        ([math.nan, math.inf, -math.inf, 1], b'["nan","inf","-inf",1.0]'),
    ],
)
def test_values_are_written_in_the_shortest_form(values: list[float], text: bytes) -> None:
    column = Float32Column(np.array(values, np.float32))
    line = encode_line(builders.steps(loss=column))
    assert b'"loss":' + text + b"," in line


def test_every_other_value_of_an_array_can_be_a_column() -> None:
    column = Float32Column(np.arange(6, dtype=np.float32)[::2])
    assert column.to_json() == b"[0.0,2.0,4.0]"
    assert (column[-1], tuple(column[:2])) == (4.0, (0.0, 2.0))
