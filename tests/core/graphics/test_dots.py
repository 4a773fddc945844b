"""Braille and letters: more light, more ink."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tui_trainer.core.graphics.dots import render_dots, render_letters


def count_dots(lines: list[str]) -> int:
    return sum((ord(character) - 0x2800).bit_count() for line in lines for character in line)


def half_light(height: int, width: int) -> Any:
    """Black on the left, white on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 255
    return image


def test_light_pixels_are_dots_on_a_dark_background() -> None:
    assert render_dots(half_light(4, 4)) == ["⠀⣿"]
    assert render_dots(half_light(4, 4), on_light=True) == ["⣿⠀"]


def test_dots_stand_where_their_pixels_are() -> None:
    image = np.zeros((4, 2, 3), np.uint8)
    for bit, (y, x) in enumerate([(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]):
        image[:] = 0
        image[y, x] = 255
        assert render_dots(image) == [chr(0x2800 + (1 << bit))]


def test_grey_is_as_many_dots_as_it_is_light() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, 2)
    quarters = np.split(np.arange(128), 4)
    (lines,) = [render_dots(ramp)]
    counts = [count_dots(["".join(line[n] for n in part) for line in lines]) for part in quarters]
    assert counts == sorted(counts)
    assert abs(sum(counts) - 64 * 128) < 64 * 128 * 0.05


def test_letters_have_more_ink_where_there_is_more_light() -> None:
    assert render_letters(half_light(2, 4)) == ["  @@", "  @@"]
    assert render_letters(half_light(1, 4), on_light=True) == ["@@  "]


@given(arrays(np.uint8, (8, 6, 3)), st.booleans())
def test_every_image_fills_its_cells(image: Any, on_light: bool) -> None:
    dots = render_dots(image, on_light=on_light)
    assert [len(line) for line in dots] == [3, 3]
    assert all(0x2800 <= ord(c) <= 0x28FF for line in dots for c in line)
    letters = render_letters(image, on_light=on_light)
    assert [len(line) for line in letters] == [6] * 8
    assert all(c.isascii() and c.isprintable() for line in letters for c in line)
