"""Reading IDX files, the format that MNIST is published in, gzipped or not.

Format: http://yann.lecun.com/exdb/mnist/ — two zero bytes, a type byte (8 for uint8, 12 for int32),
the number of dimensions, the dimensions as big-endian 32-bit integers, then the values row by row,
big-endian too.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

_TYPE_CODES = {"uint8": 8, "int32": 12}
_TYPE_NAMES = {"uint8": "bytes", "int32": "32-bit integers"}
_HINT = "Fetch the file again from a good copy."


def read_idx(
    file: Path, shape: tuple[int, ...], dtype: Literal["uint8", "int32"] = "uint8"
) -> npt.NDArray[Any]:
    """The array in `file`, which must have exactly `shape`, and bytes or big-endian integers.

    No more than `shape` needs is ever unpacked.

    Raises:
        DatasetError: the file is damaged, truncated, or of another shape.
    """
    header_bytes = 4 + 4 * len(shape)
    stored = np.dtype(dtype).newbyteorder(">")
    expected_bytes = header_bytes + math.prod(shape) * stored.itemsize
    content = _unpack(file, expected_bytes + 1)
    if len(content) < header_bytes or content[:2] != b"\0\0":
        raise DatasetError(f"{file} is damaged: it does not begin like an IDX file.", _HINT)
    if content[2] != _TYPE_CODES[dtype] or content[3] != len(shape):
        raise DatasetError(
            f"{file} holds {content[3]}-dimensional data of type {content[2]}, "
            f"not {len(shape)}-dimensional {_TYPE_NAMES[dtype]}.",
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
    return np.frombuffer(content, stored, offset=header_bytes).reshape(shape)


def md5_of_idx(array: npt.NDArray[np.uint8]) -> str:
    """The MD5 of the unpacked file that an array of bytes was read from."""
    digest = hashlib.md5(usedforsecurity=False)
    digest.update(bytes([0, 0, _TYPE_CODES["uint8"], array.ndim]))
    digest.update(np.array(array.shape, ">u4").tobytes())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _unpack(file: Path, limit_bytes: int) -> bytes:
    try:
        with open(open_plain(file), "rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not is_gzip:
                return raw.read(limit_bytes)
            with gzip.open(raw, "rb") as stream:
                return stream.read(limit_bytes)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{file} is damaged: {error}.", _HINT) from error
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
