"""Half blocks: what a terminal shows of them is the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui_trainer.core.graphics.blocks import render_blocks

_IMAGES = st.tuples(st.integers(1, 7), st.integers(1, 9), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 95, 128, 255]))
)


def shown_by(lines: list[str], width: int, height: int) -> list[list[str]]:
    """The colour of each pixel on the screen of a terminal, `default` where there is none."""
    screen = pyte.Screen(width + 1, max(1, len(lines)))
    pyte.Stream(screen).feed("\r\n".join(lines))
    pixels = []
    for y in range(height):
        row = []
        for x in range(width):
            cell = screen.buffer[y // 2][x]
            row.append(cell.fg if y % 2 == 0 and cell.data == "▀" else cell.bg)
        pixels.append(row)
    return pixels


@given(_IMAGES)
def test_a_terminal_of_all_colours_shows_the_image(image: Any) -> None:
    height, width = image.shape[:2]
    shown = shown_by(render_blocks(image, "truecolor"), width, height)
    assert shown == [[bytes(pixel).hex() for pixel in row] for row in image]


@given(_IMAGES)
def test_every_line_ends_as_the_terminal_was(image: Any) -> None:
    for colors in ("16", "256", "truecolor"):
        lines = render_blocks(image, colors)
        assert len(lines) == -(-len(image) // 2)
        assert all(line.endswith("\x1b[0m") for line in lines)


def test_below_the_last_odd_row_is_the_terminals_own_background() -> None:
    screen = pyte.Screen(3, 3)
    pyte.Stream(screen).feed("\r\n".join(render_blocks(np.full((3, 2, 3), 200, np.uint8), "256")))
    assert screen.buffer[1][0].data == "▀"
    assert screen.buffer[1][0].bg == "default"


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        ((0, 0, 0), "40"),
        ((120, 122, 118), "100"),
        ((225, 230, 228), "47"),
        ((255, 255, 255), "107"),
        ((200, 5, 5), "41"),
        ((90, 90, 250), "104"),
    ],
)
def test_of_16_colours_greys_stay_grey(pixel: tuple[int, int, int], expected: str) -> None:
    image = np.full((2, 1, 3), pixel, np.uint8)
    assert render_blocks(image, "16") == [f"\x1b[{expected}m \x1b[0m"]


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [((0, 0, 0), 16), ((255, 0, 0), 196), ((128, 128, 128), 244), ((95, 135, 175), 67)],
)
def test_of_256_colours_the_nearest_is_taken(pixel: tuple[int, int, int], expected: int) -> None:
    image = np.full((2, 1, 3), pixel, np.uint8)
    assert render_blocks(image, "256") == [f"\x1b[48;5;{expected}m \x1b[0m"]


def test_a_plain_area_costs_one_sequence() -> None:
    (line,) = render_blocks(np.full((2, 50, 3), 7, np.uint8), "truecolor")
    assert line.count("\x1b[") == 2
