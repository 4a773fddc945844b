"""What stands before the pixels of a JPEG file, read without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">BHHB")

_START_OF_SCAN = 0xDA
_BASELINE = 0xC0
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# EXIF and XMP, which may say how a photo is to be turned.
_NOTES = 0xE1
# Markers that stand alone, without a length; none belongs here.
_ALONE = frozenset([0x00, 0x01, *range(0xD0, 0xDA), 0xFF])


@dataclass(frozen=True)
class JpegHead:
    """The frame of a JPEG file.

    Attributes:
        channels: Usually 1, 3 or 4.
        is_one_pass: It is baseline, and its first scan has all channels: it is decoded row by row.
            Of any other the decoder holds all coefficients at once, however small it is wanted.
        has_notes: There are EXIF or XMP data.
    """

    width: int
    height: int
    channels: int
    is_one_pass: bool
    has_notes: bool


def read_jpeg_head(content: bytes) -> JpegHead | None:
    """The frame of a JPEG file; None where its head is not made as cameras and programs do."""
    at, marker, frame, frame_marker, has_notes = 2, 0, None, 0, False
    try:
        while marker != _START_OF_SCAN:
            mark, marker, length = _SEGMENT.unpack_from(content, at)
            if mark != 0xFF or marker in _ALONE or length < 2:
                return None
            if marker in _FRAMES:
                if frame is not None:
                    return None
                frame, frame_marker = _FRAME.unpack_from(content, at + 4), marker
            elif marker == _NOTES:
                has_notes = True
            at += 2 + length
        scanned_channels = content[at - length + 2]
    except (struct.error, IndexError):
        return None
    if frame is None or frame[0] != 8:
        return None
    _, height, width, channels = frame
    is_one_pass = frame_marker == _BASELINE and scanned_channels == channels
    return JpegHead(width, height, channels, is_one_pass, has_notes)
