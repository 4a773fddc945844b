"""Sixel: a terminal that reads the sequence gets the image back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui_trainer.core.graphics.sixel import encode_sixel

_PALETTE = np.array([(0, 0, 0), (255, 0, 0), (51, 102, 204), (255, 255, 255)], np.uint8)
_SEQUENCE = re.compile(r"\x1bP0;1;0q\"1;1;(\d+);(\d+)(.*)\x1b\\", re.DOTALL)
_TOKEN = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])")


def draw(sequence: str) -> tuple[Any, dict[int, tuple[int, ...]]]:
    """The indices that a terminal would draw, and the colours it was told, in percent."""
    match = _SEQUENCE.fullmatch(sequence)
    assert match is not None
    width, height = int(match[1]), int(match[2])
    indices = np.full((height + 6, width), -1)
    colors: dict[int, tuple[int, ...]] = {}
    x = top = chosen = 0
    ends = 0
    for token in _TOKEN.finditer(match[3]):
        assert token.start() == ends
        ends = token.end()
        if token[1]:
            colors[int(token[1])] = (int(token[2]), int(token[3]), int(token[4]))
        elif token[5]:
            chosen = int(token[5])
        elif token[8]:
            x, top = 0, top + (6 if token[8] == "-" else 0)
        else:
            bits = ord(token[7] or token[9]) - 63
            length = int(token[6] or 1)
            for row in range(6):
                if bits >> row & 1:
                    indices[top + row, x : x + length] = chosen
            x += length
    assert ends == len(match[3])
    assert (indices[height:] == -1).all()
    return indices[:height], colors


@given(
    st.tuples(st.integers(1, 14), st.integers(1, 20)).flatmap(
        lambda shape: arrays(np.int64, shape, elements=st.integers(-1, 3))
    )
)
def test_what_is_drawn_is_the_image(indices: Any) -> None:
    drawn, colors = draw(encode_sixel(indices, _PALETTE))
    assert (drawn == indices).all()
    assert colors == {0: (0, 0, 0), 1: (100, 0, 0), 2: (20, 40, 80), 3: (100, 100, 100)}


def test_a_plain_area_is_counted_not_repeated() -> None:
    sequence = encode_sixel(np.zeros((6, 500), np.int64), _PALETTE)
    assert "!500~" in sequence
    assert len(sequence) < 120
