"""An array in memory, or mapped from a file that every process opens for itself."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class _MappedFile(NamedTuple):
    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    stamp: tuple[int, ...]


class MappedArray:
    """An array that can be sent to other processes, by its name where it lies in a file.

    An array mapped from a file is opened anew by each process that reads it, and never travels to
    another: handles that processes share are shared state, and pickling it would be a copy. A file
    that is not as it was at first is not read: what was verified is gone, and to read a mapping
    past the end of its file ends the process.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.shape = array.shape
        self._file = _file_behind(array)
        self._array: npt.NDArray[Any] | None = array if self._file is None else None
        self._opened_by = os.getpid()

    def __len__(self) -> int:
        return int(self.shape[0])

    def open(self) -> npt.NDArray[Any]:
        """The array, mapped by this process.

        Raises:
            OSError: the file is gone or was changed.
        """
        file = self._file
        if file is not None and _stamp_of(file.path) != file.stamp:
            raise OSError(f"{file.path} was changed while it was in use")
        if file is not None and (self._array is None or self._opened_by != os.getpid()):
            self._array = np.asarray(
                np.memmap(file.path, file.dtype, mode="r", offset=file.offset, shape=file.shape)
            )
            self._opened_by = os.getpid()
        assert self._array is not None
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | ({} if self._file is None else {"_array": None})


def _file_behind(array: npt.NDArray[Any]) -> _MappedFile | None:
    """Where in which file an array lies, if it is mapped from one and in one piece."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or whole.filename is None:
        return None
    if not array.flags.c_contiguous:
        return None
    # A view of a mapped array inherits its `offset`, which is that of the whole.
    distance = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    path = os.fspath(whole.filename)
    offset = int(whole.offset) + distance
    return _MappedFile(path, array.dtype, array.shape, offset, _stamp_of(path))


def _stamp_of(path: str) -> tuple[int, ...]:
    """What changes when a file is written to, cut or replaced."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
