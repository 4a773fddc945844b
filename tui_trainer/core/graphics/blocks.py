"""Pictures of half blocks: a character cell shows two pixels, one above the other, in colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.graphics import Colors

Pixels = NDArray[np.uint8]

RESET = "\x1b[0m"
_CUBE_LEVELS = np.array([0, 95, 135, 175, 215, 255])
_GRAYS = np.arange(8, 248, 10)
# xterm's own; terminals differ, but all have dark, middle, light and white in this order.
_NAMED = np.array(
    [
        (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
        (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
        (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
        (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
    ]
)  # fmt: skip
_NAMED_GRAYS = np.array([0, 8, 7, 15])
# Two colours whose channels differ by no more than this are one grey to the eye.
_GRAY_SPREAD = 24


def render_blocks(image_HWC: Pixels, colors: Colors) -> list[str]:
    """A uint8 RGB image as lines of W cells, two rows of pixels a line.

    Of an odd number of rows the last stands in the upper half of its line alone.
    """
    height = len(image_HWC)
    codes_HW = _COLOR_CODES[colors](image_HWC)
    lines = []
    for row in range(0, height, 2):
        lower = codes_HW[row + 1] if row + 1 < height else [None] * len(codes_HW[row])
        lines.append(_line(codes_HW[row], lower, colors))
    return lines


def _line(upper: list[int], lower: list[int] | list[None], colors: Colors) -> str:
    parts: list[str] = []
    ink: int | None = None
    ground: int | None = None
    for above, below in zip(upper, lower, strict=True):
        # A cell of one colour is a blank: where a block is drawn some fonts leave a seam.
        is_plain = above == below
        if below != ground:
            parts.append(_escape(below, colors, is_ground=True) if below is not None else RESET)
            ground, ink = below, ink if below is not None else None
        if not is_plain and above != ink:
            parts.append(_escape(above, colors, is_ground=False))
            ink = above
        parts.append(" " if is_plain else "▀")
    return "".join([*parts, RESET])


def _escape(code: int, colors: Colors, *, is_ground: bool) -> str:
    if colors == "truecolor":
        kind = 48 if is_ground else 38
        return f"\x1b[{kind};2;{code >> 16};{code >> 8 & 255};{code & 255}m"
    if colors == "256":
        return f"\x1b[{48 if is_ground else 38};5;{code}m"
    base = (40 if is_ground else 30) if code < 8 else (100 if is_ground else 90)
    return f"\x1b[{base + code % 8}m"


def _true_colors(image_HWC: Pixels) -> list[list[int]]:
    wide = image_HWC.astype(np.int64)
    codes: list[list[int]] = (wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]).tolist()
    return codes


def _many_colors(image_HWC: Pixels) -> list[list[int]]:
    """The nearest of the 6×6×6 cube and the 24 greys."""
    wide = image_HWC.astype(np.int64)
    steps = np.abs(wide[..., None] - _CUBE_LEVELS).argmin(-1)
    cube = _CUBE_LEVELS[steps]
    gray_steps = np.abs(wide.mean(-1, keepdims=True) - _GRAYS).argmin(-1)
    gray = _GRAYS[gray_steps][..., None]
    is_gray = ((wide - gray) ** 2).sum(-1) < ((wide - cube) ** 2).sum(-1)
    numbers = 16 + (steps * np.array([36, 6, 1])).sum(-1)
    codes: list[list[int]] = np.where(is_gray, 232 + gray_steps, numbers).tolist()
    return codes


def _named_colors(image_HWC: Pixels) -> list[list[int]]:
    """The nearest of 16; what is nearly grey becomes a grey, not a tint that comes close."""
    wide = image_HWC.astype(np.int64)
    distances = ((wide[..., None, :] - _NAMED) ** 2).sum(-1)
    nearest = distances.argmin(-1)
    nearest_gray = _NAMED_GRAYS[distances[..., _NAMED_GRAYS].argmin(-1)]
    is_gray = wide.max(-1) - wide.min(-1) <= _GRAY_SPREAD
    codes: list[list[int]] = np.where(is_gray, nearest_gray, nearest).tolist()
    return codes


_COLOR_CODES = {"truecolor": _true_colors, "256": _many_colors, "16": _named_colors}
