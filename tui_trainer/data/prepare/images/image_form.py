"""Decoded images in one form: of the same channels and the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Fit = Literal["crop", "pad", "stretch"]
Color = Literal["gray", "rgb"]
Pixels = npt.NDArray[np.uint8]

_CHANNELS: dict[Color, int] = {"gray": 1, "rgb": 3}
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
"""Modes of 16 bits of gray."""
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_ROWS = 256


class UnreadableImageError(Exception):
    """An image that cannot be used; `reason` is a clause for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ImageForm:
    """What images are made into.

    Attributes:
        size: Side in pixels; 0 leaves them as they are.
        fit: How an image that is not square is made so: by its middle, with black bars, or pulled.
        color: One channel (luma of ITU-R BT.601) or three.
    """

    size: int
    fit: Fit
    color: Color

    @property
    def channels(self) -> int:
        """Channels of the pixels."""
        return _CHANNELS[self.color]


def fit_image(image: Image.Image, form: ImageForm) -> Pixels:
    """A decoded image in another form, uint8 C×H×W (a view; channels may lie next to each other).

    Transparent parts are laid on white. 16 bits are scaled to 8. It is not turned by EXIF data.

    Resizing is bilinear with a filter as wide as the reduction, as torchvision's with antialias.

    Raises:
        UnreadableImageError: its pixels have no fixed range, or its colours are not known.
    """
    wanted = "L" if form.color == "gray" else "RGB"
    if image.mode != wanted or "transparency" in image.info:
        image = _to_plain_mode(image)
    width, height = image.size
    if form.size and (width, height) != (form.size, form.size):
        image = _resize(image, form)
        width, height = image.size
    if image.mode in _WITH_ALPHA:
        image = _lay_on_white(image)
    if image.mode != wanted:
        image = image.convert(wanted)
    pixels_HWC = np.frombuffer(image.tobytes(), np.uint8)
    return pixels_HWC.reshape(height, width, form.channels).transpose(2, 0, 1)


def _to_plain_mode(image: Image.Image) -> Image.Image:
    """The image in a mode of 8 bits for each channel, which can be resized."""
    mode = image.mode
    if mode in SIXTEEN_BITS or (mode == "I" and image.format == "PPM"):
        return _to_eight_bits(image)
    if mode in ("I", "F"):
        raise UnreadableImageError("its pixels are numbers of 32 bits, which have no fixed range")
    if "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        return image.convert("RGBA")
    if mode in ("L", "RGB", "LA", "RGBA"):
        return image
    if mode in _WITH_ALPHA:
        return image.convert("RGBA")
    try:
        return image.convert("L" if mode == "1" else "RGB")
    except ValueError as error:
        raise UnreadableImageError(f"its colours, {mode}, are not known") from error


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16 bits of gray as 8, rounded: v · 255 / 65535."""
    scaled_HW = np.empty((image.height, image.width), np.uint8)
    # Some rows at a time, as a copy of all in 32 bits takes memory.
    for top in range(0, image.height, _ROWS):
        rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        scaled_HW[top : top + _ROWS] = (np.asarray(rows).astype(np.uint32) * 255 + 32895) >> 16
    return Image.fromarray(scaled_HW)


def _resize(image: Image.Image, form: ImageForm) -> Image.Image:
    size = form.size
    width, height = image.size
    if form.fit == "stretch" or width == height:
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if form.fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    longest = max(width, height)
    inner = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    if image.mode in _WITH_ALPHA:
        image = _lay_on_white(image.resize(inner, Image.Resampling.BILINEAR))
    elif image.size != inner:
        image = image.resize(inner, Image.Resampling.BILINEAR)
    canvas = Image.new(image.mode, (size, size))
    canvas.paste(image, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return canvas


def _lay_on_white(image: Image.Image) -> Image.Image:
    plain = "L" if image.mode == "LA" else "RGB"
    canvas = Image.new(plain, image.size, "white")
    canvas.paste(image.convert(plain), mask=image.getchannel("A"))
    return canvas
