"""Files read from front to back: opened only if they are plain, unpacked only within bounds."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from typing import Any

from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

MAX_EXPANSION = 200
"""Times as large as it is packed that a file may become, once it is above `FREE_BYTES`."""
FREE_BYTES = 256 << 20
"""Unpacked bytes up to which nobody asks how small they were packed."""

_BUFFER_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
_FETCH_AGAIN = "Fetch the file again from a good copy."


class Handle:
    """What keeps a file open between calls, but never when it travels to another process."""

    _opened: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_opened"}

    def close(self) -> None:
        """Close what is open; it is opened again when it is needed."""
        opened, self._opened = self._opened, None
        if hasattr(opened, "close"):
            opened.close()


def tell_unreadable(path: Path | str, error: OSError) -> DatasetError:
    """The error for a file that cannot be opened or read."""
    return DatasetError(
        f"{path} cannot be read: {error.strerror or error}.", "Check its path and rights."
    )


def open_stream(path: Path) -> io.BufferedReader:
    """The bytes of a file, unpacked if its name ends in `.gz`.

    Reading raises `DatasetError` where packed bytes are damaged or become far too many.

    Raises:
        DatasetError: it is missing, forbidden, or no regular file.
    """
    try:
        raw = open(open_plain(path), "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise tell_unreadable(path, error) from error
    if path.suffix.lower() != ".gz":
        return io.BufferedReader(raw, _BUFFER_BYTES)
    return io.BufferedReader(_Unpacked(path, raw), _BUFFER_BYTES)


def check_expansion(path: Path | str, packed_bytes: int, unpacked_bytes: int) -> None:
    """Refuse what is packed so densely that it can only be meant to fill the memory.

    Raises:
        DatasetError: it is.
    """
    if unpacked_bytes > max(FREE_BYTES, MAX_EXPANSION * packed_bytes):
        raise DatasetError(
            f"{path} becomes more than {MAX_EXPANSION} times as large when it is unpacked.",
            "If it is to be trusted, unpack it first.",
        )


class _Unpacked(io.RawIOBase):
    """A gzip stream that knows when it grows beyond measure."""

    def __init__(self, path: Path, raw: io.FileIO) -> None:
        self._path, self._raw = path, raw
        self._stream = gzip.GzipFile(fileobj=raw)
        self._unpacked_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._stream.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            words = "it ends too early" if isinstance(error, EOFError) else str(error)
            raise DatasetError(f"{self._path} is damaged: {words}.", _FETCH_AGAIN) from error
        except OSError as error:
            raise tell_unreadable(self._path, error) from error
        self._unpacked_bytes += len(content)
        check_expansion(self._path, self._raw.tell(), self._unpacked_bytes)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        self._raw.close()
        super().close()


class Recoded(io.RawIOBase):
    """UTF-16 text as UTF-8."""

    def __init__(self, path: Path, stream: io.BufferedReader) -> None:
        self._path, self._stream = path, stream
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._ready = b""
        self._read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._stream.read(_PIECE_BYTES)
            begun = len(self._decoder.getstate()[0])
            try:
                self._ready = self._decoder.decode(piece, final=not piece).encode()
            except UnicodeDecodeError as error:
                where = f"byte {self._read_bytes - begun + error.start + 1}"
                raise tell_undecodable(self._path, where, "UTF-16") from error
            self._read_bytes += len(piece)
            if not piece:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def tell_undecodable(path: Path, where: str, encoding: str) -> DatasetError:
    """The error for text that is in another encoding."""
    return DatasetError(
        f"{path} is not {encoding}: {where} cannot be read.",
        "Convert it from the encoding it is in, such as: "
        "iconv -f LATIN1 -t UTF-8 old.csv > new.csv.",
    )
