"""Image files as pixels: opened, refused where they may do harm, decoded.

Images come from anybody. Only a few formats are read, by what stands in the file and not by its
name; no more pixels are decoded than a limit; whatever a decoder says of hostile bytes becomes one
error.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.images.bombs import find_bomb, find_many_scans
from tui_trainer.data.prepare.images.image_form import (
    SIXTEEN_BITS,
    ImageForm,
    Pixels,
    UnreadableImageError,
    fit_image,
)
from tui_trainer.data.prepare.images.jpeg_head import read_jpeg_head
from tui_trainer.store.plain_file import open_with_status
from tui_trainer.store.source_stamps import Stamp

MOST_PIXELS = 25_000_000
"""Pixels that are decoded of one image at most; of a JPEG after it is scaled down."""
MOST_WEBP_PIXELS = MOST_PIXELS // 2
"""Of a WebP image, whose decoder holds the picture four times."""
MOST_BYTES = 1 << 26
"""Bytes that an image file may have."""

# Decoders that have no program, no font and no network behind them.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
_JPEGS = ("JPEG", "MPO")
_NAMED = "it is no JPEG, PNG, WebP, GIF, BMP, TIFF or PPM image, or its head is damaged"
# What tells how an image is to be turned stands in one of these, where it is not a tag of TIFF.
_TURNED_BY = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_ON_THEIR_SIDE = (5, 6, 7, 8)
# How many times the wanted size is left when a JPEG is scaled down by its decoder.
_DRAFT_MARGIN = 2
# Pixels of a side up to which opening an image is worth a way of its own.
_SMALL_SIDE = 1024


@dataclass(frozen=True)
class ImageHead:
    """What the head of an image file says: its size as it is shown, and whether it has colours."""

    height: int
    width: int
    has_color: bool


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """While images are decoded, Pillow's warnings are silent; what warns of a bomb is an error.

    A warning tells of what does not change the pixels, such as a damaged index of a photo's
    thumbnails. The filter belongs to the whole process, so that it is set once for many images.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read_image_file(path: Path | str) -> tuple[bytes, Stamp]:
    """What stands in an image file, and its stamp of just before.

    Raises:
        UnreadableImageError: it is missing, forbidden, no regular file, empty or too large.
    """
    try:
        descriptor, status = open_with_status(path)
        try:
            size_bytes = status.st_size
            if size_bytes > MOST_BYTES:
                raise UnreadableImageError(f"it is larger than {MOST_BYTES >> 20} MiB")
            content = os.read(descriptor, size_bytes)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        # A name with a zero byte is a ValueError.
        told = error.strerror if isinstance(error, OSError) else None
        raise UnreadableImageError(f"it cannot be opened: {told or 'impossible name'}") from error
    if not content:
        raise UnreadableImageError("it is empty")
    return content, (size_bytes, status.st_mtime_ns)


def read_head(content: bytes) -> ImageHead:
    """What the head of an image file says, its pixels left alone.

    Raises:
        UnreadableImageError: it is no image, or its head is damaged.
    """
    try:
        return _read_head(content)
    except UnreadableImageError:
        raise
    except Exception as error:
        raise _explain(error) from error


def decode_image(content: bytes, form: ImageForm) -> Pixels:
    """The pixels of an image file, uint8 C×H×W (a view; channels may lie next to each other).

    It is turned as its EXIF data say. Transparent parts are laid on white. Of an animation the
    first picture counts. 16 bits are scaled to 8. Colour profiles are not applied.

    Raises:
        UnreadableImageError: it is no image that is read here, damaged, or too large.
    """
    try:
        return fit_image(_decode_plain_jpeg(content, form) or _decode(content, form), form)
    except UnreadableImageError:
        raise
    except Exception as error:
        raise _explain(error) from error


def _open(content: bytes) -> Image.Image:
    if reason := find_bomb(content):
        raise UnreadableImageError(reason)
    image = Image.open(BytesIO(content), formats=_FORMATS)
    pixels = image.width * image.height
    if image.format in _JPEGS and (reason := find_many_scans(content, pixels)):
        raise UnreadableImageError(reason)
    return image


def _read_head(content: bytes) -> ImageHead:
    image = _open(content)
    _check_pixels(image)
    width, height = image.size
    # Pillow applies the orientation of TIFF files itself.
    if image.format != "TIFF" and _is_turned(image):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if orientation in _ON_THEIR_SIDE:
            width, height = height, width
    return ImageHead(height, width, _has_color(image))


def _decode(content: bytes, form: ImageForm) -> Image.Image:
    image = _open(content)
    if form.size and image.format in _JPEGS:
        _scale_down(image, content, form)
    _check_pixels(image)
    image.load()
    if _is_turned(image):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _decode_plain_jpeg(content: bytes, form: ImageForm) -> Image.Image | None:
    """A JPEG as most are, decoded without what Pillow does around it; None of any other image.

    For small images that is a third of the time; the decoder and the pixels are the same.
    """
    if not content.startswith(b"\xff\xd8"):
        return None
    head = read_jpeg_head(content)
    if head is None or head.has_notes or not head.is_one_pass or head.channels not in (1, 3):
        return None
    longest = max(head.width, head.height)
    if (form.size and longest >= 2 * _DRAFT_MARGIN * form.size) or longest > _SMALL_SIDE:
        return None
    mode = "L" if head.channels == 1 else "RGB"
    return Image.frombytes(mode, (head.width, head.height), content, "jpeg", mode, "")


def _explain(error: Exception) -> UnreadableImageError:
    """What a decoder raised for bytes that it cannot use, for people. None says what it raises."""
    if isinstance(error, UnidentifiedImageError):
        return UnreadableImageError(_NAMED)
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return UnreadableImageError(_too_many_pixels())
    if isinstance(error, MemoryError):
        return UnreadableImageError("it takes more memory than there is")
    told = str(error)
    if "truncated" in told.lower() or "not enough" in told:
        return UnreadableImageError("it is cut short")
    told = sanitize(told, limit=80) or type(error).__name__
    return UnreadableImageError(f"it is damaged ({told})")


def _is_turned(image: Image.Image) -> bool:
    """Whether anything in the file may say how it is to be turned."""
    return any(key in image.info for key in _TURNED_BY)


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if not width or not height:
        raise UnreadableImageError("it has no pixels")
    most = MOST_WEBP_PIXELS if image.format == "WEBP" else MOST_PIXELS
    if width * height > most:
        raise UnreadableImageError(_too_many_pixels(most))


def _too_many_pixels(most: int = MOST_PIXELS) -> str:
    return f"it has more than {most / 1e6:g} million pixels"


def _has_color(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        colors = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return bool((colors != colors[:, :1]).any())
    return image.mode not in ("1", "L", "LA", "La", "I", "F", *SIXTEEN_BITS)


def _scale_down(image: Image.Image, content: bytes, form: ImageForm) -> None:
    """Let a JPEG that is larger than wanted be decoded at a half, a quarter or an eighth.

    The memory for one that is coded in several passes is that of the whole image all the same.
    """
    head = read_jpeg_head(content)
    if head is None or not head.is_one_pass:
        _check_pixels(image)
    wanted = form.size * _DRAFT_MARGIN
    longest = max(image.size) if form.fit == "pad" else 0
    # What is padded may be smaller than wanted on its shorter side.
    width, height = (max(1, side * wanted // longest) if longest else wanted for side in image.size)
    image.draft(None, (width, height))
