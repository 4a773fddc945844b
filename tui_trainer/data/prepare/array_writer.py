"""A `.npy` file that grows at its end, and is read back before it counts as written."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import ArrayFile

_PIECE_BYTES = 1 << 22


class ArrayWriter:
    """Rows of one shape and type, appended to a file; how many is known at the end.

    Everything is written by calls of the system, not through a mapping: what is written to a
    mapped file counts as memory of this process until the disk has it.
    """

    def __init__(
        self,
        file: Path,
        dtype: str,
        row_shape: tuple[int, ...],
        rows: int = 0,
        *,
        expected_rows: int = 0,
    ) -> None:
        """Begin a file, or go on with one after its first `rows`.

        If there are `expected_rows` in the end, finishing takes half the time.

        Raises:
            OSError: the file cannot be written, or does not hold so many rows.
        """
        self.rows = rows
        self._file = file
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self.row_bytes = self._dtype.itemsize * math.prod(row_shape)
        # Of the whole file, if it comes to have the rows that are expected.
        self._expected_header = self._header(expected_rows)
        self._digest = hashlib.sha256(self._expected_header)
        header = self._header(self.rows)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if rows else os.O_TRUNC)
        self._descriptor = os.open(file, flags, 0o600)
        try:
            if rows:
                self._go_on(len(header))
            else:
                # The header is written at the end, into the room that is left for it.
                os.ftruncate(self._descriptor, len(header))
                os.lseek(self._descriptor, len(header), os.SEEK_SET)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Put rows at the end; they are of the file's type and shape."""
        assert rows.dtype == self._dtype and rows.shape[1:] == self._row_shape
        body = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        _write(self._descriptor, body)
        self._digest.update(body)
        self.rows += len(rows)

    def read_back(self, start: int, stop: int) -> npt.NDArray[Any]:
        """The rows from `start` to `stop` as they lie in the file."""
        rows = np.empty((stop - start, *self._row_shape), self._dtype)
        rest = rows.reshape(-1).view(np.uint8).data
        offset = len(self._expected_header) + start * self.row_bytes
        # A call of the system gives at most 2 GiB.
        while rest:
            piece = os.pread(self._descriptor, min(len(rest), _PIECE_BYTES), offset)
            if not piece:
                raise OSError(errno.EIO, "The file is shorter than it was")
            rest[: len(piece)] = piece
            rest, offset = rest[len(piece) :], offset + len(piece)
        return rows

    def flush(self) -> None:
        """Make durable what was appended."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Leave the file as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def finish(self) -> ArrayFile:
        """Make the file whole and durable, and see that the disk gives it back as written.

        Raises:
            OSError: it cannot be written, or was not.
        """
        header = self._header(self.rows)
        os.pwrite(self._descriptor, header, 0)
        os.fsync(self._descriptor)
        self.close()
        whole = hashlib.sha256(header)
        is_expected = header == self._expected_header
        written = whole if is_expected else hashlib.sha256(self._expected_header)
        with open(self._file, "rb") as file:
            stored = file.read(len(header))
            while piece := file.read(_PIECE_BYTES):
                whole.update(piece)
                if not is_expected:
                    written.update(piece)
            size_bytes = file.tell()
        if stored != header or written.digest() != self._digest.digest():
            raise OSError(errno.EIO, "The disk did not give it back as it was written")
        return ArrayFile(
            file=self._file.name,
            shape=(self.rows, *self._row_shape),
            dtype=str(self._dtype),
            size_bytes=size_bytes,
            sha256=whole.hexdigest(),
        )

    def _header(self, rows: int) -> bytes:
        """The header for so many rows; its length does not depend on them."""
        stream = io.BytesIO()
        empty = np.empty((0, *self._row_shape), self._dtype)
        facts = np.lib.format.header_data_from_array_1_0(empty)
        facts["shape"] = (rows, *self._row_shape)
        np.lib.format.write_array_header_1_0(stream, facts)
        return stream.getvalue()

    def _go_on(self, header_bytes: int) -> None:
        end = header_bytes + self.rows * self.row_bytes
        if os.fstat(self._descriptor).st_size < end:
            raise OSError(errno.EIO, "The file is shorter than it was")
        os.ftruncate(self._descriptor, end)
        os.lseek(self._descriptor, header_bytes, os.SEEK_SET)
        left = self.rows * self.row_bytes
        while left:
            piece = os.read(self._descriptor, min(left, _PIECE_BYTES))
            if not piece:
                raise OSError(errno.EIO, "The file is shorter than it was")
            self._digest.update(piece)
            left -= len(piece)


def _write(descriptor: int, content: bytes | memoryview) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
