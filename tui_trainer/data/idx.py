"""Reading IDX files, the format that MNIST is published in, gzipped or not.

Format: http://yann.lecun.com/exdb/mnist/ — two zero bytes, a type byte (8 for uint8), the number
of dimensions, the dimensions as big-endian 32-bit integers, then the values row by row.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.errors import DatasetError

_UINT8 = 8
_HINT = "Fetch the file again from a good copy."


def read_idx(file: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The uint8 array in `file`, which must have exactly `shape`.

    No more than `shape` needs is ever unpacked.

    Raises:
        DatasetError: the file is damaged, truncated, or of another shape.
    """
    header_bytes = 4 + 4 * len(shape)
    expected_bytes = header_bytes + math.prod(shape)
    content = _unpack(file, expected_bytes + 1)
    if len(content) < header_bytes or content[:2] != b"\0\0":
        raise DatasetError(f"{file} is damaged: it does not begin like an IDX file.", _HINT)
    if content[2] != _UINT8 or content[3] != len(shape):
        raise DatasetError(
            f"{file} holds {content[3]}-dimensional data of type {content[2]}, "
            f"not {len(shape)}-dimensional bytes.",
            "Check that images and labels are not mixed up.",
        )
    found = tuple(int(size) for size in np.frombuffer(content, ">u4", len(shape), 4))
    if found != shape:
        raise DatasetError(
            f"{file} has the shape {_by(found)}, not {_by(shape)}.",
            "Check that it is the right file.",
        )
    if len(content) != expected_bytes:
        words = "ends too early" if len(content) < expected_bytes else "has bytes after its end"
        raise DatasetError(f"{file} is damaged: it {words}.", _HINT)
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _unpack(file: Path, limit_bytes: int) -> bytes:
    try:
        opened: Any
        with open(file, "rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
        opened = gzip.open(file, "rb") if is_gzip else open(file, "rb")  # noqa: SIM115
        with opened as stream:
            content: bytes = stream.read(limit_bytes)
            return content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{file} is damaged: {error}.", _HINT) from error
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
