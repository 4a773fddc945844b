"""Image files made to take time or memory: found by their heads before they are decoded."""

from __future__ import annotations

import struct

# Pixels times passes over them that a JPEG may cost: 12 million pixels in 89 passes.
_MOST_SCANNED = 1 << 30
# An image that is not progressive has a scan for each channel at most.
_PLAIN_SCANS = 4
# Pieces that an image in TIFF may be stored in.
_MOST_PIECES = 1 << 17
# A piece may be larger than the image, but not by far: room for it is taken whole.
_MOST_PIECE_PIXELS = 1 << 25
_MOST_TAGS = 4096

# Bytes of an image written as decimal numbers, which takes a second for four million.
_MOST_WRITTEN_OUT = 1 << 23

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WRITTEN_OUT_HEADS = (b"P1", b"P2", b"P3")
_PIECE_TAGS = (273, 279, 324, 325)
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_TIFF_UNITS = {1: "B", 3: "H", 4: "L", 16: "Q"}


def find_bomb(content: bytes) -> str:
    """Why an image takes too much to be opened, as a clause; empty if it does not.

    It tells of what Pillow does not look at itself.
    """
    if content[:4] in _TIFF_HEADS:
        return _find_large_pieces(content)
    if content[:2] in _WRITTEN_OUT_HEADS and len(content) > _MOST_WRITTEN_OUT:
        return f"it is written as text and larger than {_MOST_WRITTEN_OUT >> 20} MiB"
    return ""


def find_many_scans(content: bytes, pixels: int) -> str:
    """Why a JPEG would take too long to decode, as a clause; empty if it would not.

    Each pass over the image is coded as a scan, and files may have as many as they like.
    """
    # In coded data FF is followed by 0 or a restart, so that this is the marker of a scan.
    scans = content.count(b"\xff\xda")
    if scans > _PLAIN_SCANS and scans * pixels > _MOST_SCANNED:
        return f"it is a JPEG of {scans} passes, more than an image of its size needs"
    return ""


def _find_large_pieces(content: bytes) -> str:
    """Look at what the first directory of a TIFF file says before its decoder makes room for it."""
    order = "<" if content.startswith(b"II") else ">"
    is_big = content[2:4] in (b"+\0", b"\0+")
    at_format, count_format, entry_format = ("Q", "Q", "HHQ8s") if is_big else ("L", "H", "HHL4s")
    tile = {_TILE_WIDTH: 0, _TILE_LENGTH: 0}
    try:
        (at,) = struct.unpack_from(order + at_format, content, 8 if is_big else 4)
        (tags,) = struct.unpack_from(order + count_format, content, at)
        if tags > _MOST_TAGS:
            return f"it is a TIFF of {tags} tags"
        at += struct.calcsize(order + count_format)
        step = struct.calcsize(order + entry_format)
        for number in range(tags):
            tag, unit, count, value = struct.unpack_from(
                order + entry_format, content, at + number * step
            )
            if tag in _PIECE_TAGS and count > _MOST_PIECES:
                return f"it is a TIFF of {count} pieces"
            if tag in tile and unit in _TIFF_UNITS:
                (tile[tag],) = struct.unpack_from(order + _TIFF_UNITS[unit], value)
    except (struct.error, OverflowError):
        # Cut short within its directory: the decoder says so itself.
        return ""
    if tile[_TILE_WIDTH] * tile[_TILE_LENGTH] > _MOST_PIECE_PIXELS:
        return "it is a TIFF of tiles larger than any image may be"
    return ""
