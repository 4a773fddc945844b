"""Finding a dataset's original files in what a person has, or what was downloaded."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.data.prepare.catalog.published import PUBLISHED, is_published
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

_MOST_LEVELS = 3
_MOST_FOLDERS = 20_000
_CHUNK_BYTES = 1 << 20
_MOST_UNPACKED_BYTES = 1 << 38
_MOST_MEMBERS = 2_000_000
_MOST_RATIO = 1000.0


@dataclass(frozen=True)
class Wanted:
    """What a dataset is read from.

    Attributes:
        paths: Files by what they hold, each with the names it may have, the usual one first. A
            name may have a folder in it; one that ends with a slash is that of a folder.
        archives: Those it may be packed in, in the order in which they are unpacked.
    """

    paths: Mapping[str, Sequence[str]]
    archives: Sequence[str] = ()

    def takes(self, member: PurePosixPath) -> bool:
        """Whether a member of an archive may be, or be in, what is wanted."""
        parts = {PurePosixPath(name).parts[0] for names in self.paths.values() for name in names}
        parts |= {PurePosixPath(name).name for names in self.paths.values() for name in names}
        return not parts.union(self.archives).isdisjoint(member.parts)


@dataclass
class Originals:
    """A dataset's original files, found.

    Attributes:
        roots: The folders that were looked through: what was given, and what was unpacked of it.
        checked: Archives whose MD5 is that of the published ones.
    """

    entry: DatasetEntry
    roots: list[Path]
    paths: dict[str, Path] = field(default_factory=dict)
    checked: list[Path] = field(default_factory=list)
    is_download: bool = False

    def origin(self, *, is_published: bool | None) -> str:
        """Where the data come from; None where nobody can tell whether they are as published."""
        verb = "downloaded" if self.is_download else "imported"
        if is_published is None:
            return f"{verb}: from files that are not checked"
        told = "the published files (MD5 checked)" if is_published else "not the published files"
        return f"{verb}: {told}"

    def is_published(self, path: Path) -> bool:
        """Whether a file that was found is as published: by itself, or with its archive."""
        if any(path.is_relative_to(folder) for folder in self.checked):
            return True
        return is_published(self.entry.name, md5_of(path))


def find_originals(
    entry: DatasetEntry,
    wanted: Wanted,
    given: Path,
    *,
    scratch: Path,
    say: Callable[[str], object],
    is_download: bool = False,
) -> Originals:
    """All that is wanted, from `given`: a folder, at most three levels deep, or an archive.

    Archives are unpacked to `scratch`, once.

    Raises:
        DatasetError: something is missing, or an archive cannot be unpacked.
    """
    found = Originals(entry, [], is_download=is_download)
    if given.is_dir():
        found.roots.append(given)
    elif given.is_file():
        _unpack(found, given, wanted, scratch, say)
    else:
        raise DatasetError(f"{given} is no folder and no archive.", _remedy(entry, wanted))
    _search(found, found.roots[0], wanted)
    for name in wanted.archives:
        if len(found.paths) == len(wanted.paths):
            break
        archive = next((path for root in found.roots if (path := _find(root, [name]))), None)
        if archive is not None:
            _unpack(found, archive, wanted, scratch, say)
            _search(found, found.roots[-1], wanted)
    for key, names in wanted.paths.items():
        if key not in found.paths:
            other = f" (nor {names[1]})" if len(names) > 1 else ""
            raise DatasetError(f"{given} has no {names[0]}{other}.", _remedy(entry, wanted))
    return found


def insist_on_published(originals: Originals, file: Path) -> None:
    """Make sure that a file is as published: no limit holds for what others of its kind unpack to.

    Raises:
        DatasetError: it is not.
    """
    if not originals.is_published(file):
        raise DatasetError(
            f"{file} is not the published file: its MD5 differs.",
            f"Fetch it again from {originals.entry.source}.",
        )


def md5_of(path: Path) -> str:
    """The MD5 of a file, in hexadecimal digits.

    Raises:
        DatasetError: it cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with open(open_plain(path), "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
    return digest.hexdigest()


def name_published(entry: DatasetEntry) -> str:
    """The files that a dataset is published in, and where, for a person to fetch."""
    names = [file.name for file in PUBLISHED.get(entry.name, ())]
    return f"{', '.join(names)} from {entry.source}" if names else f"the files of {entry.source}"


def _remedy(entry: DatasetEntry, wanted: Wanted) -> str:
    if entry.name in PUBLISHED:
        return f"Name a folder or an archive that holds {name_published(entry)}."
    names = ", ".join(names[0] for names in wanted.paths.values())
    return f"Name a folder that holds {names}; see {entry.source}."


def _search(found: Originals, root: Path, wanted: Wanted) -> None:
    for key, names in wanted.paths.items():
        path = found.paths.get(key) or _find(root, names)
        if path is not None:
            found.paths[key] = path


def _find(root: Path, names: Sequence[str]) -> Path | None:
    """The first of these in a folder or below, the shallowest first; links lead nowhere else."""
    inside = root.resolve()
    for folder in _list_folders(root):
        for name in names:
            path = folder / name
            is_there = path.is_dir() if name.endswith("/") else path.is_file()
            if is_there and path.resolve().is_relative_to(inside):
                return path
    return None


def _list_folders(root: Path) -> Iterator[Path]:
    """A folder and those below it, level by level."""
    level, num_seen = [root], 0
    for depth in range(_MOST_LEVELS + 1):
        yield from level
        num_seen += len(level)
        if depth == _MOST_LEVELS or num_seen > _MOST_FOLDERS:
            return
        level = [below for folder in level for below in _list_below(folder)]


def _list_below(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except OSError:
        # What must not be looked into cannot hold what is wanted; that it is missing is told.
        return []
    return [folder / name for name in names]


def _unpack(
    found: Originals, archive: Path, wanted: Wanted, scratch: Path, say: Callable[[str], object]
) -> None:
    from tui_trainer.data.prepare.archives.extraction import extract_archive

    status = archive.stat()
    identity = f"{archive.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()
    folder = scratch / f"unpacked-{digest[:16]}"
    if not folder.is_dir():
        say(f"unpacking {archive.name}")
        partial = folder.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        extract_archive(
            archive,
            partial,
            max_bytes=_MOST_UNPACKED_BYTES,
            max_members=_MOST_MEMBERS,
            max_ratio=_MOST_RATIO,
            takes=wanted.takes,
        )
        partial.rename(folder)
    found.roots.append(folder)
    if any(archive.is_relative_to(root) for root in found.checked) or is_published(
        found.entry.name, md5_of(archive)
    ):
        found.checked.append(folder)
