"""Archives that were made to do harm, or are broken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence

Member = tuple[str, bytes]


def make_zip(members: Sequence[Member], *, compress: bool = False) -> bytes:
    """A zip archive; names are written as they are, whatever they say."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


def make_tar(members: Sequence[Member | tarfile.TarInfo], mode: str = "w") -> bytes:
    """A tar archive of files, and of anything else that is given as its header."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "", **facts: int) -> tarfile.TarInfo:
    """The header of what is no file: a link, a pipe, a device."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info


def _zip_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system = 3
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def _zip_of_a_pipe() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("pipe")
        info.create_system = 3
        info.external_attr = 0o010644 << 16
        archive.writestr(info, "")
    return out.getvalue()


def _encrypted() -> bytes:
    content = bytearray(make_zip([("secret.txt", b"x" * 20)]))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def _overlapping() -> bytes:
    """Two members of the directory that share the bytes of one (after David Fifield's bomb)."""
    content = make_zip([("a", b"x" * 1000), ("b", b"y" * 1000)])
    directory = bytearray(content[content.index(b"PK\1\2") :])
    second = directory.index(b"PK\1\2", 4)
    directory[second + 42 : second + 46] = struct.pack("<L", 0)
    return content[: content.index(b"PK\1\2")] + bytes(directory)


def _lying_size() -> bytes:
    """A member that says to be small, and unpacks to 32 MB."""
    content = bytearray(make_zip([("big", bytes(32 << 20))], compress=True))
    small = struct.pack("<L", 100)
    content[22:26] = small
    place = content.index(b"PK\1\2")
    content[place + 24 : place + 28] = small
    return bytes(content)


def _flip(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 0xFF
    return bytes(damaged)


def _long_directory() -> bytes:
    """A zip whose list of members says to be 3 GB long."""
    content = bytearray(make_zip([("a", b"x")]))
    place = content.rindex(b"PK\5\6")
    content[place + 12 : place + 16] = struct.pack("<L", 3 << 30)
    return bytes(content)


def _pax_bomb() -> bytes:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * (1 << 22)}
    return make_tar([info])


def _sparse() -> bytes:
    """A file of one terabyte of nothing, in the words of GNU's tar."""
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,0"}
    return make_tar([info])


def _old_sparse() -> bytes:
    header = bytearray(make_tar([("holes", b"")])[:512])
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


_TWO_FILES: list[Member] = [("a.txt", b"a" * 600), ("b.txt", b"b" * 600)]
_ZEROS = bytes(24 << 20)
_LONG = "n" * 4000

# By what is wrong: the archive, and words of the error.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip climbs out": (lambda: make_zip([("../evil", b"x")]), "leads out"),
    "zip climbs out deep": (lambda: make_zip([("a/b/../../../evil", b"x")]), "leads out"),
    "zip with an absolute name": (lambda: make_zip([("/tmp/evil", b"x")]), "absolute"),
    "zip with a drive": (lambda: make_zip([("C:/evil", b"x")]), "absolute"),
    "zip with backslashes": (lambda: make_zip([("..\\evil", b"x")]), "another system"),
    "zip with a link": (_zip_link, "is a link"),
    "zip with a pipe": (_zip_of_a_pipe, "special file"),
    "zip with a name twice": (lambda: make_zip([("a", b"1"), ("a", b"2")]), "in the way"),
    "zip with names alike but for case": (
        lambda: make_zip([("Cat/1", b"1"), ("cat/2", b"2")]),
        "in the way",
    ),
    "zip with names alike but for Unicode": (
        lambda: make_zip([("caf\u00e9", b"1"), ("cafe\u0301", b"2")]),
        "in the way",
    ),
    "zip with a file as a folder": (lambda: make_zip([("a", b"1"), ("a/b", b"2")]), "in the way"),
    "zip with control characters": (lambda: make_zip([("a\x1b[2Jb", b"x")]), "cannot be shown"),
    "zip with a zero in a name": (lambda: make_zip([("a\0b", b"x")]), "cannot be shown"),
    "zip with a name turned round": (lambda: make_zip([("a\u202egpj", b"x")]), "cannot be shown"),
    "zip with a long name": (lambda: make_zip([(_LONG, b"x")]), "4,000 characters"),
    "zip with a long part": (lambda: make_zip([("n" * 300, b"x")]), "more than 255 bytes"),
    "zip without names": (lambda: make_zip([("./.", b"x")]), "has no name"),
    "zip bomb": (lambda: make_zip([("zeros", _ZEROS)], compress=True), "times its size"),
    "zip that lies": (_lying_size, "damaged"),
    "zip whose members overlap": (_overlapping, "overlap"),
    "zip encrypted": (_encrypted, "encrypted"),
    "zip cut short": (lambda: make_zip(_TWO_FILES)[:-30], "damaged"),
    "zip with a damaged directory": (
        lambda: make_zip(_TWO_FILES).replace(b"PK\1\2", b"PK\1\3"),
        "damaged",
    ),
    "zip with a huge directory": (_long_directory, "too long"),
    "zip with a flipped byte": (lambda: _flip(make_zip(_TWO_FILES), 60), "damaged"),
    "zip with too many members": (
        lambda: make_zip([(f"{n}", b"") for n in range(101)]),
        "more than 100 members",
    ),
    "tar climbs out": (lambda: make_tar([("../evil", b"x")]), "leads out"),
    "tar with an absolute name": (lambda: make_tar([("/tmp/evil", b"x")]), "absolute"),
    "tar with a symbolic link": (
        lambda: make_tar([special("link", tarfile.SYMTYPE, "/etc"), ("link/evil", b"x")]),
        "is a link",
    ),
    "tar with a hard link": (
        lambda: make_tar([special("link", tarfile.LNKTYPE, "/etc/passwd")]),
        "is a link",
    ),
    "tar with a pipe": (lambda: make_tar([special("pipe", tarfile.FIFOTYPE)]), "special file"),
    "tar with a device": (
        lambda: make_tar([special("disk", tarfile.BLKTYPE, devmajor=8)]),
        "special file",
    ),
    "tar with a name twice": (lambda: make_tar([("a", b"1"), ("./a", b"2")]), "in the way"),
    "tar with a long name": (lambda: make_tar([(_LONG, b"x")]), "4,000 characters"),
    "tar with undecodable names": (
        lambda: make_tar([(os.fsdecode(b"caf\xe9"), b"x")]),
        "cannot be shown",
    ),
    "tar with an endless header": (_pax_bomb, "too long"),
    "tar with holes": (_sparse, "has holes"),
    "tar with holes of old": (_old_sparse, "has holes"),
    "tar cut short": (lambda: make_tar(_TWO_FILES)[:700], "damaged"),
    "tar that ends between members": (lambda: make_tar(_TWO_FILES)[:1536], "damaged"),
    "tar with a damaged header": (lambda: _flip(make_tar(_TWO_FILES), 1536 + 10), "damaged"),
    "tar with too many members": (
        lambda: make_tar([(f"{n}", b"") for n in range(101)]),
        "more than 100 members",
    ),
    "tar.gz bomb": (lambda: gzip.compress(make_tar([("z", _ZEROS)])), "times its size"),
    "tar.bz2 bomb": (lambda: bz2.compress(make_tar([("z", _ZEROS)])), "times its size"),
    "tar.xz bomb": (lambda: lzma.compress(make_tar([("z", _ZEROS)])), "times its size"),
    "tar.gz cut short": (
        lambda: gzip.compress(make_tar([("a", os.urandom(5000))]))[:-2000],
        "damaged",
    ),
    "tar.gz with a flipped byte": (
        lambda: _flip(gzip.compress(make_tar([("a", bytes(range(256)) * 9)])), -6),
        "damaged",
    ),
    "gz bomb": (lambda: gzip.compress(_ZEROS), "times its size"),
    "tar too large": (lambda: make_tar([("a", bytes(40 << 20))]), "GB"),
    "no archive": (lambda: b"just words" * 200, "no zip, tar"),
    "empty": (lambda: b"", "no zip, tar"),
}

# What is harmless though it looks odd: each unpacks to `a.txt` that holds `hello`.
HARMLESS: dict[str, Callable[[], bytes]] = {
    "zip": lambda: make_zip([("a.txt", b"hello")]),
    "zip deflated": lambda: make_zip([("a.txt", b"hello")], compress=True),
    "zip with folders": lambda: make_zip([("./", b""), ("./a.txt", b"hello")]),
    "tar": lambda: make_tar([("./a.txt", b"hello")]),
    "tar with a folder twice": lambda: make_tar(
        [special("b", tarfile.DIRTYPE), special("b", tarfile.DIRTYPE), ("a.txt", b"hello")]
    ),
    "tar.gz": lambda: make_tar([("a.txt", b"hello")], "w:gz"),
    "tar.bz2": lambda: make_tar([("a.txt", b"hello")], "w:bz2"),
    "tar.xz": lambda: make_tar([("a.txt", b"hello")], "w:xz"),
    "gz": lambda: gzip.compress(b"hello"),
    "bz2": lambda: bz2.compress(b"hello"),
    "xz": lambda: lzma.compress(b"hello"),
    "tar in a tar": lambda: make_tar([("a.txt", b"hello"), ("in.tgz", gzip.compress(_ZEROS))]),
}
