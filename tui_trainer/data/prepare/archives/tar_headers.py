"""The headers of a tar archive, those refused that are only of use to do harm."""

from __future__ import annotations

import tarfile
from typing import Any, NoReturn

# Headers that tell of the next one: long names, and anything in words. They are read whole.
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MOST_EXTENDED_BYTES = 1 << 16


class CheckedTarInfo(tarfile.TarInfo):
    """A member whose header is read strictly.

    `tarfile` takes a damaged header for the end of the archive, and reads headers of any length
    into memory; both are errors here, and so are files with holes.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> CheckedTarInfo:
        """The member that a header describes.

        Raises:
            tarfile.TarError: the header is damaged, missing, or of a kind that is refused.
        """
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                # Zeros are how an archive ends.
                raise
            raise tarfile.ReadError("a header is missing or damaged") from error
        if member.type == tarfile.GNUTYPE_SPARSE:
            member._refuse_holes()
        if member.type in _EXTENDED and member.size > _MOST_EXTENDED_BYTES:
            raise tarfile.ReadError("a name in it is too long")
        if member.size < 0:
            raise tarfile.ReadError("a size in it is negative")
        return member

    def _refuse_holes(self, *arguments: Any) -> NoReturn:
        raise tarfile.ReadError("a file in it has holes")

    # What `tarfile` calls for the three ways of describing holes in words.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes
