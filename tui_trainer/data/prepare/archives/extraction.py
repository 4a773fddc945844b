"""Unpacking archives that may have been made to do harm: zip, tar, and single compressed files.

An archive is unpacked whole or not at all, into a new folder. Nothing in it can be written outside
of that folder: names that lead elsewhere, links and special files are refused, not mended. What
comes out is counted while it comes, so that neither a lie in a header nor a bomb fills the disk.
Archives within archives stay packed.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.archives.names import MemberNames, refuse_member
from tui_trainer.data.prepare.archives.tar_headers import CheckedTarInfo
from tui_trainer.data.prepare.archives.zip_directory import check_zip
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

Takes = Callable[[PurePosixPath], bool]

_CHUNK_BYTES = 1 << 20
# What may come of a few bytes: below it no ratio is looked at.
_RATIO_FREE_BYTES = 16 << 20
_REMEDY = "Fetch it again from a good source."
_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}
_SUFFIXES = (".gz", ".bz2", ".xz")
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
)


def extract_archive(
    file: Path,
    into: Path,
    *,
    max_bytes: int,
    max_members: int,
    max_ratio: float,
    takes: Takes = lambda member: True,
) -> None:
    """Unpack an archive, known by its content, into the new folder `into`.

    Args:
        max_bytes: That may come out, of members that are not taken too where they must be read.
        max_members: Files and folders that it may hold.
        max_ratio: Bytes that may come out for each that is in the file.
        takes: Which members are written, by their name.

    Raises:
        DatasetError: it is damaged, encrypted, too large, or holds what must not be written;
            nothing is left in `into`.
    """
    limit = _Limit(file, max_bytes, max_ratio)
    writer = _Writer(into, MemberNames(file, max_members), takes, limit)
    try:
        into.mkdir(parents=True)
        try:
            with _damage_of(file), open(open_plain(file), "rb") as raw:
                limit.packed_bytes = os.fstat(raw.fileno()).st_size
                _extract(raw, writer)
        except BaseException:
            shutil.rmtree(into, ignore_errors=True)
            raise
    except OSError as error:
        where = into if error.errno in (errno.ENOSPC, errno.EDQUOT) else file
        raise DatasetError(
            f"{file} cannot be unpacked: {where}: {error.strerror or error}.",
            "Free some space, or mend the permissions.",
        ) from error


class _Limit:
    """How much may still come out of an archive."""

    def __init__(self, file: Path, max_bytes: int, max_ratio: float) -> None:
        self._file, self._max_bytes, self._max_ratio = file, max_bytes, max_ratio
        self.packed_bytes = 0
        self._count = 0

    def add(self, size_bytes: int) -> None:
        """Count what came out.

        Raises:
            DatasetError: it is too much.
        """
        self._count += size_bytes
        self.check(self._count, self.packed_bytes)

    def check(self, unpacked_bytes: int, packed_bytes: int) -> None:
        """Make sure that so much may come of so much.

        Raises:
            DatasetError: it is too much.
        """
        if unpacked_bytes > self._max_bytes:
            raise DatasetError(
                f"{self._file} holds more than the {self._max_bytes / 1e9:g} GB allowed.", _REMEDY
            )
        if unpacked_bytes > max(_RATIO_FREE_BYTES, self._max_ratio * packed_bytes):
            raise DatasetError(
                f"{self._file} unpacks to more than {self._max_ratio:g} times its size, "
                "as no data of worth do.",
                _REMEDY,
            )


class _Writer:
    """Writes members to where their names say, once these are found harmless."""

    def __init__(self, into: Path, names: MemberNames, takes: Takes, limit: _Limit) -> None:
        self._into, self._names, self._takes = into, names, takes
        self.limit = limit
        self.single_name = names.archive.name

    def admit(self, name: str, *, is_folder: bool) -> Path | None:
        """Where a member is to be written; None where it is not wanted.

        Raises:
            DatasetError: it must not be written at all.
        """
        member = self._names.admit(name, is_folder=is_folder)
        if not member.parts or not self._takes(member):
            return None
        return self._into / member

    def write(self, path: Path, content: IO[bytes], *, is_counted: bool) -> None:
        """Write a file that is new; `is_counted` where its bytes are counted elsewhere."""
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o644), "wb") as out:
            while chunk := content.read(_CHUNK_BYTES):
                if not is_counted:
                    self.limit.add(len(chunk))
                out.write(chunk)


class _Counted(io.RawIOBase):
    """A stream of what comes out of a decompressor, counted."""

    def __init__(self, stream: IO[bytes], limit: _Limit) -> None:
        self._stream, self._limit = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(len(buffer))
        self._limit.add(len(content))
        buffer[: len(content)] = content
        return len(content)


def _extract(raw: IO[bytes], writer: _Writer) -> None:
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(b"PK"):
        _extract_zip(raw, writer)
        return
    opener = _OPENERS.get(magic[:2])
    plain: IO[bytes] = raw if opener is None else opener(raw)
    stream = io.BufferedReader(_Counted(plain, writer.limit), _CHUNK_BYTES)
    head = stream.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    if _is_tar(head):
        _extract_tar(stream, writer)
    elif opener is not None:
        _extract_single(stream, writer)
    else:
        raise DatasetError(
            f"{writer.single_name} is no zip, tar, gz, bz2 or xz file.",
            "Name an archive of one of these kinds, or the folder that it is unpacked to.",
        )


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _extract_single(stream: IO[bytes], writer: _Writer) -> None:
    name = Path(writer.single_name)
    path = writer.admit(name.stem if name.suffix in _SUFFIXES else name.name, is_folder=False)
    if path is not None:
        writer.write(path, stream, is_counted=True)


def _extract_tar(stream: IO[bytes], writer: _Writer) -> None:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=CheckedTarInfo) as tar:
        while (member := tar.next()) is not None:
            # The archive would keep each of its members in memory.
            tar.members = []  # type: ignore[attr-defined]
            if not (member.isreg() or member.isdir()):
                what = "link" if member.issym() or member.islnk() else "special file"
                raise _refusal(writer, member.name, f"is a {what}")
            path = writer.admit(member.name, is_folder=member.isdir())
            if path is None:
                continue
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            content = tar.extractfile(member)
            assert content is not None
            with content:
                writer.write(path, content, is_counted=True)


def _extract_zip(raw: IO[bytes], writer: _Writer) -> None:
    check_zip(raw)
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            # The upper half holds what Unix says a file is; other systems leave it empty.
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                what = "link" if kind == 0o120000 else "special file"
                raise _refusal(writer, info.filename, f"is a {what}")
            is_folder = info.orig_filename.endswith("/")
            path = writer.admit(info.orig_filename, is_folder=is_folder)
            if info.flag_bits & 1:
                raise _refusal(writer, info.filename, "is encrypted")
            writer.limit.check(info.file_size, info.compress_size)
            if path is None:
                continue
            if is_folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            with archive.open(info) as content:
                writer.write(path, content, is_counted=False)


def _refusal(writer: _Writer, name: str, clause: str) -> DatasetError:
    return refuse_member(writer.single_name, name, clause)


@contextmanager
def _damage_of(file: Path) -> Iterator[None]:
    """Whatever a decoder says of damage becomes one error."""
    try:
        yield
    except _DAMAGE as error:
        told = sanitize(str(error), limit=200) or type(error).__name__
        raise DatasetError(f"{file} is damaged: {told}.", _REMEDY) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # Decompressors say so of what is not in their format.
        raise DatasetError(f"{file} is damaged: {sanitize(str(error))}.", _REMEDY) from error
