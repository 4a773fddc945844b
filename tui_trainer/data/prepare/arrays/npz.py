"""Sources from NumPy's files: the arrays of an `.npz`, or `.npy` files side by side.

Format of `.npy`: numpy.lib.format. Nothing is unpickled.
"""

from __future__ import annotations

import math
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.arrays.array_source import open_arrays
from tui_trainer.data.prepare.arrays.pairs import Pair, find_pairs
from tui_trainer.data.prepare.source import Source, stamp_files
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.data.prepare.tables.plain_stream import (
    FREE_BYTES,
    Handle,
    check_expansion,
    open_stream,
    tell_unreadable,
)
from tui_trainer.errors import DatasetError

_PIECE_BYTES = 1 << 20
_MAX_HEADER_BYTES = 10_000
_MAX_MEMBERS = 1000
_FETCH_AGAIN = "Fetch it again from a good copy, or save it again with numpy.savez."
_ENDING = ".npy"


def open_npz(path: Path, preparation: PreparationConfig) -> Source:
    """Samples and labels in arrays such as `images` and `labels`, or `x_train`, `y_train`.

    `path` is an `.npz` file, a folder of `.npy` files, or the `.npy` file of the inputs, which
    has that of the labels beside it.

    Raises:
        DatasetError: a file is damaged or holds pickles, or nothing can be learnt from it.
    """
    members = _list_members(path)
    if path.suffix.lower() == _ENDING and not preparation.inputs:
        beside = {name: file for name, file in members.items() if file.path != path}
        names = _name_alone(path.stem, beside, preparation)
    else:
        names = find_pairs(members, preparation)
    pairs = [
        Pair(split, NpyArray(inputs, members[inputs]), NpyArray(labels, members[labels]))
        for split, (inputs, labels) in names.items()
    ]
    files = {member.path for one in names.values() for member in (members[n] for n in one)}
    return open_arrays(
        pairs,
        title=path.stem,
        origin=sanitize(path.name, limit=200),
        stamps=stamp_files(*sorted(files)),
        preparation=preparation,
    )


@dataclass(frozen=True)
class _Member:
    """A `.npy` file: by itself, or a member of a ZIP file."""

    path: Path
    member: str = ""


class NpyArray(Handle):
    """An array in a `.npy` file, read from front to back, a slice at a time."""

    step = 1
    classes: tuple[str, ...] = ()

    def __init__(self, name: str, file: _Member) -> None:
        """Read what the file says of itself.

        Raises:
            DatasetError: it is damaged, holds pickles, or says more than it holds.
        """
        self.name = sanitize(name, limit=200)
        self._file = file
        self._where = f"{self.name} in {file.path}"
        with _Stream(file, self._where) as stream:
            self.shape, self._is_fortran, stored = _read_header(stream.file, self._where)
            self._header_bytes = stream.file.tell()
            content_bytes = stream.size_bytes - self._header_bytes
        self._stored_dtype = stored
        self.dtype = stored.newbyteorder("=")
        wanted_bytes = math.prod(self.shape) * stored.itemsize
        if content_bytes != wanted_bytes:
            words = "ends too early" if content_bytes < wanted_bytes else "has bytes after its end"
            raise DatasetError(f"{self._where} is damaged: it {words}.", _FETCH_AGAIN)
        if self._is_fortran and len(self.shape) > 1 and wanted_bytes > FREE_BYTES:
            raise DatasetError(
                f"{self._where} is laid out column by column, and too large to turn around.",
                "Save numpy.ascontiguousarray of it.",
            )

    def read(self, start: int, stop: int) -> npt.NDArray[Any] | list[str]:
        """Samples from `start` to `stop`.

        Raises:
            DatasetError: the file is damaged.
        """
        values = self._read_turned(start, stop) if self._is_fortran else self._read(start, stop)
        if self.dtype.kind in "biuf":
            return values.astype(self.dtype, copy=False)
        return [_to_text(value, self._where) for value in values.reshape(-1).tolist()]

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        row_bytes = math.prod(self.shape[1:]) * self._stored_dtype.itemsize
        place = self._header_bytes + start * row_bytes
        stream: _Stream | None = self._opened
        if stream is None or stream.place > place:
            stream = self._opened = _Stream(self._file, self._where)
        stream.skip_to(place)
        content = stream.take((stop - start) * row_bytes)
        if stop == self.shape[0]:
            # To the very end, as only there the checksum is compared.
            self.close()
        return np.frombuffer(content, self._stored_dtype).reshape(-1, *self.shape[1:])

    def _read_turned(self, start: int, stop: int) -> npt.NDArray[Any]:
        whole: npt.NDArray[Any] | None = self._opened
        if whole is None:
            with _Stream(self._file, self._where) as stream:
                stream.skip_to(self._header_bytes)
                content = stream.take(math.prod(self.shape) * self._stored_dtype.itemsize)
            whole = np.frombuffer(content, self._stored_dtype).reshape(self.shape, order="F")
            self._opened = whole
        return np.ascontiguousarray(whole[start:stop])


class _Stream:
    """An open `.npy` file."""

    def __init__(self, file: _Member, where: str) -> None:
        self._where = where
        self._plain = open_stream(file.path)
        self.file: IO[bytes] = self._plain
        self.place = 0
        self.size_bytes = file.path.stat().st_size
        if file.member:
            archive = _open_archive(file.path, self._plain)
            info = archive.getinfo(file.member)
            check_expansion(where, info.compress_size, info.file_size)
            self.size_bytes = info.file_size
            try:
                self.file = archive.open(info)
            except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
                raise _tell_damaged(where, error) from error

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self._plain.close()

    def skip_to(self, place: int) -> None:
        """Go forward to a byte of the file."""
        if self.file is self._plain:
            self._plain.seek(place)
            self.place = place
        while self.place < place:
            self.take(min(place - self.place, _PIECE_BYTES))

    def take(self, count: int) -> bytes:
        """So many bytes; that they are whole is known after the last."""
        pieces, left = [], count
        try:
            while left:
                piece = self.file.read(left)
                if not piece:
                    raise EOFError("it ends too early")
                pieces.append(piece)
                left -= len(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise _tell_damaged(self._where, error) from error
        self.place += count
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _list_members(path: Path) -> Mapping[str, _Member]:
    """The arrays that there are, by name."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        folder = path if is_folder else path.parent
        if is_folder or path.suffix.lower() == _ENDING:
            files = sorted(file for file in folder.iterdir() if file.suffix.lower() == _ENDING)
            # What a link leads to lies elsewhere.
            return {file.stem: _Member(file) for file in files if not file.is_symlink()}
    except OSError as error:
        raise tell_unreadable(path, error) from error
    with open_stream(path) as stream:
        infos = _open_archive(path, stream).infolist()
    if len(infos) > _MAX_MEMBERS:
        raise DatasetError(f"{path} has more than {_MAX_MEMBERS} members.", _FETCH_AGAIN)
    members: dict[str, _Member] = {}
    for info in infos:
        name = info.filename.removesuffix(_ENDING)
        if name in members:
            raise DatasetError(f"{path} holds {show(name)} twice.", _FETCH_AGAIN)
        if info.flag_bits & 1 or info.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise DatasetError(
                f"{path} is encrypted, or packed in a way that NumPy does not.", _FETCH_AGAIN
            )
        members[name] = _Member(path, info.filename)
    return members


def _name_alone(
    stem: str, beside: Mapping[str, _Member], preparation: PreparationConfig
) -> dict[str, tuple[str, str]]:
    """The inputs are known; the labels lie beside them."""
    from msgspec.structs import replace

    return find_pairs([stem, *beside], replace(preparation, inputs=stem))


def _open_archive(path: Path, stream: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _tell_damaged(str(path), error) from error


def _read_header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type, as the header says.

    Raises:
        DatasetError: it is damaged, or of values that only a pickle can hold.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            read = np.lib.format.read_array_header_1_0
        elif version == (2, 0):
            read = np.lib.format.read_array_header_2_0
        else:
            raise ValueError(f"its version {version} is not known")
        shape, is_fortran, dtype = read(stream, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, TypeError, EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise _tell_damaged(where, error) from error
    except (RecursionError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        # The header is a literal of Python, in which somebody may nest things or leave them open.
        raise _tell_damaged(where, ValueError("its header is no header")) from error
    if dtype.hasobject:
        raise DatasetError(
            f"{where} holds Python objects, which are code that is not run here.",
            "Save plain numbers or texts.",
        )
    if dtype.kind not in "biufSU" or dtype.itemsize > 1 << 16:
        shown = sanitize(str(dtype), limit=80)
        raise DatasetError(f"{where} holds values of type {shown}.", "Save numbers or texts.")
    if any(size < 0 for size in shape):
        raise DatasetError(f"{where} is damaged: it has a negative size.", _FETCH_AGAIN)
    return shape, is_fortran, dtype


def _to_text(value: bytes | str, where: str) -> str:
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{where} holds texts that are not UTF-8.", "Save them as str."
        ) from error


def _tell_damaged(where: str, error: Exception) -> DatasetError:
    reason = sanitize(str(error).splitlines()[0] if str(error) else type(error).__name__, limit=200)
    return DatasetError(f"{where} is damaged: {reason.rstrip('.')}.", _FETCH_AGAIN)
