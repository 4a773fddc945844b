"""Rows of images for every kind of terminal, and sheets in files."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len

from tui_trainer.cli.graphics import Means, Screen
from tui_trainer.cli.pictures import draw_row, fit_image, save_sheet
from tui_trainer.core.preview import GAP, Grid

_GRID = Grid(columns=3, tile_width=6, tile_height=3)
_ESCAPES = re.compile("\x1b\\[[0-9;]*m")


def colors(*values: int, size: int = 12) -> list[Any]:
    """Images of one grey each."""
    return [np.full((size, size, 3), value, np.uint8) for value in values]


@pytest.mark.parametrize("means", ["blocks", "dots", "letters"])
def test_rows_of_characters_are_as_wide_as_the_grid(means: Means) -> None:
    screen = Screen(means, "256" if means == "blocks" else None, 80, 24)
    lines = draw_row(colors(0, 128, 255), _GRID, screen).split("\n")
    assert len(lines) == _GRID.tile_height
    assert {cell_len(_ESCAPES.sub("", line)) for line in lines} == {_GRID.width}


def test_kitty_gets_one_picture_a_row_with_nothing_between_its_tiles() -> None:
    drawn = draw_row(colors(200, 100), _GRID, Screen("kitty", "truecolor", 80, 24, (10, 20)))
    assert drawn.startswith("\n\n\n\x1b[3A\x1b7\x1b_Ga=T,")
    assert drawn.endswith("\x1b8\x1b[2B\r")
    assert f"c={2 * 6 + GAP},r=3," in drawn
    data = "".join(re.findall(r"\x1b_G[^;]*;([^\x1b]*)\x1b\\", drawn))
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == ((2 * 6 + GAP) * 10, 60)
    assert picture.getpixel((30, 30)) == (200, 200, 200, 255)
    assert picture.getpixel((70, 30)) == (0, 0, 0, 0)
    assert picture.getpixel((110, 30)) == (100, 100, 100, 255)


def test_sixel_draws_the_tiles_and_nothing_between_them() -> None:
    drawn = draw_row(colors(255, 0), _GRID, Screen("sixel", "truecolor", 80, 24, (10, 20)))
    body = drawn.split("\x1b7")[1].split("\x1b8")[0]
    assert body.startswith('\x1bP0;1;0q"1;1;140;60')
    assert body.endswith("\x1b\\")
    # 60 pixels, 20 left out, 60 pixels.
    assert re.search(r"!60~.*!80\?!60~", body)


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    image = np.array([[[0] * 3, [255] * 3], [[255] * 3, [0] * 3]], np.uint8)
    large = fit_image(image, 6, 6)
    assert large.shape == (6, 6, 3)
    assert (np.unique(large) == [0, 255]).all()
    assert (large == image.repeat(3, 0).repeat(3, 1)).all()


def test_large_images_are_averaged() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[::2] = 200
    assert (fit_image(image, 2, 2) == 100).all()


@pytest.mark.parametrize("size", [(1, 1), (8, 200), (512, 3)])
def test_images_of_every_shape_are_fitted(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    assert fit_image(image, 14, 7).shape == (7, 14, 3)


def test_a_sheet_holds_every_image_with_its_label(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    save_sheet(file, "digits · train", colors(10, 20, 30, 40, 50), list("abcde"), 3)
    sheet = np.asarray(Image.open(file))
    for value in (10, 20, 30, 40, 50):
        assert (sheet == value).all(-1).sum() > 100**2
    save_sheet(tmp_path / "plain.png", "digits · train", colors(10, 20, 30, 40, 50), [""] * 5, 3)
    plain = np.asarray(Image.open(tmp_path / "plain.png"))
    assert plain.shape == sheet.shape
    assert (plain != sheet).any()


def test_labels_that_no_sheet_has_room_for_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "sheet.png"
    save_sheet(file, "x" * 5000, colors(10), ["label\x1b[31m\n" * 500], 3)
    assert Image.open(file).width < 250
