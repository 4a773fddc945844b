"""Rows of images for a terminal, and sheets of them for a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui_trainer.cli.graphics import Screen
from tui_trainer.core.preview import GAP, Grid
from tui_trainer.core.text_safety import sanitize

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from tui_trainer.core.graphics.blocks import Pixels

# Images up to this side keep their pixels when they are enlarged: there are few to see.
_SHARP_SIDE = 64
_SHEET_TILE, _SHEET_GAP, _SHEET_EDGE = 112, 14, 24
_TITLE_SIZE, _LABEL_SIZE = 20, 14
_PAPER, _INK, _FAINT_INK = "#ffffff", "#1f2328", "#59636e"


def draw_row(images: Sequence[Pixels], grid: Grid, screen: Screen) -> str:
    """One row of the grid as text to print: uint8 H×W×3 images side by side."""
    if screen.means in ("kitty", "sixel"):
        return _draw_pixels(images, grid, screen)
    per_x, per_y = screen.pixels_of_cell
    size = (grid.tile_width * per_x, grid.tile_height * per_y)
    tiles = [_draw_characters(fit_image(image, *size), screen) for image in images]
    return "\n".join((" " * GAP).join(parts) for parts in zip(*tiles, strict=True))


def fit_image(image_HWC: Pixels, width: int, height: int) -> Pixels:
    """The image in so many pixels; enlarged by whole pixels where it has few."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(image_HWC))
    if image.size == (width, height):
        return image_HWC
    if max(image.size) <= _SHARP_SIDE and width > image.width:
        # A multiple at least as large first: pixels of unequal size would mislead.
        times = -(-width // image.width)
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def save_sheet(
    file: Path, title: str, images: Sequence[Pixels], labels: Sequence[str], columns: int
) -> None:
    """Write a PNG file of all images with their labels, `columns` abreast.

    Raises:
        OSError: the file cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(images))
    height, width = images[0].shape[:2]
    times = max(1, round(_SHEET_TILE / max(width, height)))
    tile = (width * times, height * times)
    if max(tile) > 2 * _SHEET_TILE:
        scale = 2 * _SHEET_TILE / max(tile)
        tile = (max(1, round(width * scale)), max(1, round(height * scale)))
    step = (max(tile[0], 64) + _SHEET_GAP, tile[1] + _LABEL_SIZE + _SHEET_GAP + 6)
    top = _SHEET_EDGE + _TITLE_SIZE + _SHEET_GAP
    rows = -(-len(images) // columns)
    title_font = ImageFont.load_default(_TITLE_SIZE)
    label_font = ImageFont.load_default(_LABEL_SIZE)
    sheet_width = 2 * _SHEET_EDGE + columns * step[0] - _SHEET_GAP
    sheet = Image.new("RGB", (sheet_width, top + rows * step[1] + _SHEET_EDGE - _SHEET_GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    inner = sheet_width - 2 * _SHEET_EDGE
    draw.text(
        (_SHEET_EDGE, _SHEET_EDGE - 4), _shorten(draw, title, title_font, inner), _INK, title_font
    )
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        x, y = _SHEET_EDGE + n % columns * step[0], top + n // columns * step[1]
        sheet.paste(_image_of(fit_image(image, *tile)), (x, y))
        text = _shorten(draw, label, label_font, step[0] - _SHEET_GAP)
        draw.text((x, y + tile[1] + 4), text, _FAINT_INK, label_font)
    content = io.BytesIO()
    sheet.save(content, "PNG", optimize=True)
    file.write_bytes(content.getvalue())


def _shorten(draw: ImageDraw, text: str, font: FreeTypeFont | ImageFont, width: int) -> str:
    text = sanitize(text, limit=200)
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text}…"


def _image_of(image_HWC: Pixels) -> Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image_HWC))


def _draw_characters(image_HWC: Pixels, screen: Screen) -> list[str]:
    if screen.means == "blocks" and screen.colors:
        from tui_trainer.core.graphics.blocks import render_blocks

        return render_blocks(image_HWC, screen.colors)
    from tui_trainer.core.graphics.dots import render_dots, render_letters

    render = render_letters if screen.means == "letters" else render_dots
    return render(image_HWC, on_light=screen.is_light)


def _draw_pixels(images: Sequence[Pixels], grid: Grid, screen: Screen) -> str:
    """One picture for the whole row, what lies between its tiles left as the terminal has it."""
    from PIL import Image

    cell_width, cell_height = screen.cell
    tile = (grid.tile_width * cell_width, grid.tile_height * cell_height)
    cells = len(images) * grid.tile_width + (len(images) - 1) * GAP
    strip = Image.new("RGBA", (cells * cell_width, tile[1]))
    for n, image in enumerate(images):
        left = n * (grid.tile_width + GAP) * cell_width
        strip.paste(_image_of(fit_image(image, *tile)), (left, 0))
    drawn = _encode_kitty(strip, cells, grid) if screen.means == "kitty" else _encode_sixel(strip)
    rows = grid.tile_height
    # Room is made first, as a picture that scrolls the screen would leave the cursor anywhere.
    return "\n" * rows + f"\x1b[{rows}A\x1b7" + drawn + f"\x1b8\x1b[{rows - 1}B\r"


def _encode_kitty(strip: Image, cells: int, grid: Grid) -> str:
    from tui_trainer.core.graphics.kitty import encode_kitty

    content = io.BytesIO()
    strip.save(content, "PNG")
    return encode_kitty(content.getvalue(), cells, grid.tile_height)


def _encode_sixel(strip: Image) -> str:
    import numpy as np

    from tui_trainer.core.graphics.sixel import MOST_COLORS, encode_sixel

    reduced = strip.convert("RGB").quantize(MOST_COLORS)
    palette = np.array(reduced.getpalette() or [], np.uint8).reshape(-1, 3)
    indices_HW = np.asarray(reduced).astype(np.int64)
    indices_HW[np.asarray(strip.getchannel("A")) == 0] = -1
    return encode_sixel(indices_HW, palette)
