"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

_COMPARED_BYTES = 16 << 20


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are missing; their names are durable then."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError as error:
        # Another process may have made the folder in this moment.
        if not path.is_dir():
            told = os.strerror(errno.ENOTDIR)
            raise NotADirectoryError(errno.ENOTDIR, told, str(path)) from error
    fsync_folder(path.parent)


def write_durable(path: Path, *parts: bytes | memoryview) -> None:
    """Write a new file and make its bytes durable. The name is not: see `fsync_folder`."""
    _write(path, parts, durable=True)


def _write(path: Path, parts: Iterable[bytes | memoryview], *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def holds(path: Path, *parts: bytes | memoryview) -> bool:
    """Whether the disk gives back a file as it was written."""
    with open(path, "rb") as file:
        for part in parts:
            rest = memoryview(part)
            while rest:
                content = file.read(min(len(rest), _COMPARED_BYTES))
                if not content or content != rest[: len(content)]:
                    return False
                rest = rest[len(content) :]
        return not file.read(1)


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `content` in one rename; a reader sees the old bytes or the new.

    With `durable` the new bytes also outlive a power cut.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        _write(temporary, [content], durable=durable)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        fsync_folder(path.parent)


def sweep_replacements(path: Path) -> None:
    """Delete what a process that was killed while it replaced `path` left beside it.

    No one else may replace it now.
    """
    unfinished = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}\.tmp")
    # It only takes room: what cannot be deleted now is found again.
    with contextlib.suppress(OSError):
        for file in path.parent.iterdir():
            if unfinished.fullmatch(file.name):
                file.unlink(missing_ok=True)


_HIDDEN = re.compile(r"\.tmp-(?P<name>.+)-[0-9a-f]{32}(?P<old>-old)?")


def _hidden_name(path: Path) -> Path:
    return path.with_name(f".tmp-{path.name}-{uuid.uuid4().hex}")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, published as `path` at the end of the block, or removed on an error.

    Files are fsynced by whoever writes them; the folder and its parent are fsynced here. An
    existing `path` is moved aside first and goes last, so that it is never seen in part; a crash
    in between is mended by `sweep_hidden`. Where nothing but the last fsync fails, the folder is
    published, and a power cut may take it back.
    """
    make_folder(path.parent)
    temporary = _hidden_name(path)
    temporary.mkdir(mode=0o700)
    old = temporary.with_name(f"{temporary.name}-old")
    try:
        yield temporary
        fsync_folder(temporary)
        _publish(temporary, path, old)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    fsync_folder(path.parent)
    # Not before: a power cut would bring back its name, and nothing under it.
    shutil.rmtree(old, ignore_errors=True)


def _publish(temporary: Path, path: Path, old: Path) -> None:
    if path.exists():
        path.rename(old)
    try:
        temporary.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or old.exists():
            raise
        # Someone else published the same name in this moment; ours is the later one.
        path.rename(old)
        temporary.rename(path)


def remove_folder(path: Path) -> None:
    """Take a published folder away in one rename, then delete what can be deleted of it."""
    hidden = _hidden_name(path)
    path.rename(hidden)
    fsync_folder(path.parent)
    shutil.rmtree(hidden, ignore_errors=True)


def sweep_hidden(parent: Path) -> None:
    """Mend what a process that was killed left in `parent`. No one else may write there now.

    A folder that was moved aside for a new one that never came is put back; the rest goes.
    """
    if not parent.is_dir():
        return
    _mend(parent, [(folder, _HIDDEN.fullmatch(folder.name)) for folder in parent.iterdir()])


def sweep_hidden_of(path: Path) -> None:
    """Mend what a process that was killed while it published `path` left beside it.

    No one else may publish it now; others may publish other folders there.
    """
    if not path.parent.is_dir():
        return
    beside = path.parent.glob(f".tmp-{glob.escape(path.name)}-*")
    found = [(folder, _HIDDEN.fullmatch(folder.name)) for folder in beside]
    _mend(path.parent, [(f, match) for f, match in found if match and match["name"] == path.name])


def _mend(parent: Path, found: Iterable[tuple[Path, re.Match[str] | None]]) -> None:
    hidden = [(folder, match) for folder, match in found if match]
    if hidden:
        # What goes for good must not be what a power cut brings back under its old name.
        fsync_folder(parent)
    for folder, match in hidden:
        published = parent / match["name"]
        if match["old"] and not published.exists():
            folder.rename(published)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def fsync_file(path: Path) -> None:
    """Make the bytes of a file that a library wrote durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
