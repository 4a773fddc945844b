"""Small images and files of them, made for tests."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Random pixels, uint8 H×W×C, or H×W of one channel."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int, seed: int = 0) -> Image.Image:
    """A picture without edges, which JPEG keeps well."""
    small = Image.fromarray(noise(4, 4, seed=seed))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    """An image as the bytes of a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_images(folder: Path, *names: str, side: int = 8, seed: int = 0) -> None:
    """PNG images of noise, each another, in files below a folder."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(noise(side, side, seed=seed + number), "PNG"))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file with its right checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width: int, height: int, data: bytes = b"", *extra: bytes) -> bytes:
    """A gray PNG file of any declared size, its compressed data as given."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = [head, *extra, png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(*entries: tuple[int, int, int, int], next_at: int = 0) -> bytes:
    """A TIFF file of one directory: tag, unit, count, value of each entry."""
    packed = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<L", next_at)
    return b"II*\0" + struct.pack("<L", 8) + directory
