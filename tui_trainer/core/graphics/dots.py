"""Pictures without colour: braille dots, or letters of more and less ink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.graphics.blocks import Pixels

_BLANK_BRAILLE = 0x2800
# The bit of each of a cell's 4×2 dots, by the numbering of Unicode.
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_INKS = np.array(list(" .:-=+*#%@"))
# Thresholds of ordered dithering (Bayer 1973): neighbours differ as much as they can.
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
_LUMA = np.array([0.299, 0.587, 0.114])


def render_dots(image_HWC: Pixels, *, on_light: bool = False) -> list[str]:
    """A uint8 RGB image as lines of braille, 4×2 pixels a cell; H and W are multiples of these.

    A dot is light where the background is dark, and dark where it is light.
    """
    light_HW = _lightness(image_HWC, on_light=on_light)
    height, width = light_HW.shape
    thresholds = np.tile((_BAYER + 0.5) / 16, (height // 4 + 1, width // 4 + 1))
    dots_HW = light_HW > thresholds[:height, :width]
    cells = dots_HW.reshape(height // 4, 4, width // 2, 2) * _DOT_BITS[None, :, None, :]
    return ["".join(map(chr, row)) for row in (_BLANK_BRAILLE + cells.sum((1, 3))).tolist()]


def render_letters(image_HWC: Pixels, *, on_light: bool = False) -> list[str]:
    """A uint8 RGB image as lines of ASCII characters, one a pixel, by how much ink they have."""
    light_HW = _lightness(image_HWC, on_light=on_light)
    inks = _INKS[np.minimum(light_HW * len(_INKS), len(_INKS) - 1).astype(np.int64)]
    return ["".join(row) for row in inks]


def _lightness(image_HWC: Pixels, *, on_light: bool) -> NDArray[np.float64]:
    """How much of each pixel is to be drawn, 0 to 1, stretched to the image's own range."""
    luma_HW = (image_HWC @ _LUMA) / 255
    low, high = np.percentile(luma_HW, (1, 99))
    if high - low > 1 / 255:
        luma_HW = np.clip((luma_HW - low) / (high - low), 0, 1)
    return np.asarray(1 - luma_HW if on_light else luma_HW)
