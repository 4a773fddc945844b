"""A record of what was done to the files under a folder, step by step."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = 0


@dataclass(frozen=True)
class Named:
    """In `folder`, `name` came to mean `node`; nothing, where that is None."""

    folder: int
    name: str
    node: int | None


@dataclass(frozen=True)
class Renamed:
    """Names changed, all of them at once."""

    changes: tuple[Named, ...]


@dataclass(frozen=True)
class Written:
    """Bytes came into a file."""

    node: int
    offset: int
    content: bytes

    def __repr__(self) -> str:
        return f"Written(node={self.node}, offset={self.offset}, {len(self.content)} bytes)"


@dataclass(frozen=True)
class Cut:
    """A file got another length."""

    node: int
    size: int


@dataclass(frozen=True)
class Synced:
    """A file's bytes or a folder's names were made durable, or that failed."""

    node: int
    failed: bool = False


@dataclass(frozen=True)
class Reached:
    """The program said that something is done."""

    milestone: int


Step = Renamed | Written | Cut | Synced | Reached


class Journal:
    """What a `Disk` saw, and what libraries did past it, in terms of files and folders by number.

    Attributes:
        names: what the names in each folder meant at the start.
        contents: the bytes of each file at the start.
        files: every file that there ever was.
        steps: what was done since.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._live: dict[int, dict[str, int]] = {ROOT: {}}
        self._sizes: dict[int, int] = {}
        self._inodes = {os.stat(root).st_ino: ROOT}
        self._last_node = ROOT
        self.names: dict[int, dict[str, int]] = {ROOT: {}}
        self.contents: dict[int, bytes] = {}
        self.files: set[int] = set()
        self.steps: list[Step] = []
        self.catch_up()
        self._begin_here()

    def _begin_here(self) -> None:
        self.names = {folder: dict(names) for folder, names in self._live.items()}
        for step in self.steps:
            if isinstance(step, Written):
                self.contents[step.node] = step.content
        self.steps = []

    def reach(self, milestone: int) -> None:
        """Note that the program says that so much is done."""
        self.steps.append(Reached(milestone))

    def catch_up(self, descriptor: int | None = None) -> None:
        """Record what came to be past the watched functions; of one file also what is in it."""
        self._scan(ROOT, self._root)
        node = None if descriptor is None else self._inodes.get(os.fstat(descriptor).st_ino)
        if descriptor is not None and node in self._sizes:
            size = os.fstat(descriptor).st_size
            if size != self._sizes[node]:
                self._cut(node, 0)
                self._write(node, 0, _content_of(self._path_of(node)))

    def _scan(self, folder: int, path: Path) -> None:
        for entry in os.scandir(path):
            known = self._live[folder].get(entry.name)
            if known is None:
                is_folder = entry.is_dir(follow_symlinks=False)
                known = self._add(folder, entry.name, os.lstat(entry.path).st_ino, is_folder)
                if not is_folder:
                    self._write(known, 0, Path(entry.path).read_bytes())
            if known in self._live:
                self._scan(known, Path(entry.path))

    def _path_of(self, node: int, folder: int = ROOT, path: Path | None = None) -> Path | None:
        path = path or self._root
        for name, child in self._live[folder].items():
            if child == node:
                return path / name
            found = self._path_of(node, child, path / name) if child in self._live else None
            if found is not None:
                return found
        return None

    def note(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], got: Any
    ) -> None:
        """Record an operation that was done."""
        if name in ("write", "pwrite", "ftruncate", "fsync", "fdatasync"):
            node = self._inodes.get(os.fstat(arguments[0]).st_ino)
            if node is not None:
                self._note_on_node(name, node, arguments, got)
            return
        if name in ("rename", "replace", "link"):
            source = self._place(arguments[0], options.get("src_dir_fd"))
            target = self._place(arguments[1], options.get("dst_dir_fd"))
            if source is not None and target is not None:
                self._move(source, target, keeps_source=name == "link")
            return
        place = self._place(arguments[0], options.get("dir_fd"))
        if place is None:
            return
        if name in ("unlink", "remove", "rmdir"):
            self._forget(self._live[place[0]].pop(place[1]))
            self.steps.append(Renamed((Named(*place, None),)))
        elif name == "mkdir":
            status = os.stat(arguments[0], dir_fd=options.get("dir_fd"))
            self._add(*place, status.st_ino, is_folder=True)
        else:
            self._note_open(place, arguments[1], got)

    def note_failed_fsync(self, descriptor: int) -> None:
        """Record that the system could not make a file durable, and will not try again."""
        node = self._inodes.get(os.fstat(descriptor).st_ino)
        if node is not None:
            self.steps.append(Synced(node, failed=True))

    def _note_on_node(self, name: str, node: int, arguments: tuple[Any, ...], got: Any) -> None:
        if name == "write":
            offset = os.lseek(arguments[0], 0, os.SEEK_CUR) - got
            self._write(node, offset, bytes(arguments[1])[:got])
        elif name == "pwrite":
            self._write(node, arguments[2], bytes(arguments[1])[:got])
        elif name == "ftruncate":
            self._cut(node, arguments[1])
        else:
            self.steps.append(Synced(node))

    def _note_open(self, place: tuple[int, str], flags: int, descriptor: int) -> None:
        node = self._live[place[0]].get(place[1])
        if node is None:
            self._add(*place, os.fstat(descriptor).st_ino, is_folder=False)
        elif flags & os.O_TRUNC and self._sizes[node]:
            self._cut(node, 0)

    def _place(self, path: Any, folder_descriptor: int | None) -> tuple[int, str] | None:
        """The folder and the name in it that a path means; None outside of what is recorded."""
        if folder_descriptor is not None:
            folder = self._inodes.get(os.fstat(folder_descriptor).st_ino)
            return None if folder is None else (folder, os.fsdecode(path))
        whole = Path(os.path.abspath(os.fsdecode(path)))
        if self._root not in whole.parents:
            return None
        folder = ROOT
        for name in whole.relative_to(self._root).parts[:-1]:
            folder = self._live[folder][name]
        return folder, whole.name

    def _add(self, folder: int, name: str, inode: int, is_folder: bool) -> int:
        self._last_node += 1
        node = self._last_node
        self._inodes[inode] = node
        if is_folder:
            self._live[node] = {}
        else:
            self._sizes[node] = 0
            self.files.add(node)
        self._live[folder][name] = node
        self.steps.append(Renamed((Named(folder, name, node),)))
        return node

    def _move(
        self, source: tuple[int, str], target: tuple[int, str], *, keeps_source: bool
    ) -> None:
        node = self._live[source[0]][source[1]]
        replaced = self._live[target[0]].get(target[1])
        changes = [Named(*target, node)]
        if not keeps_source:
            del self._live[source[0]][source[1]]
            changes.insert(0, Named(*source, None))
        self._live[target[0]][target[1]] = node
        if replaced is not None:
            self._forget(replaced)
        self.steps.append(Renamed(tuple(changes)))

    def _forget(self, node: int) -> None:
        """The system may give the number of what is gone to the next file."""
        if any(node in names.values() for names in self._live.values()):
            return
        self._inodes = {inode: other for inode, other in self._inodes.items() if other != node}
        self._live.pop(node, None)
        self._sizes.pop(node, None)

    def _write(self, node: int, offset: int, content: bytes) -> None:
        self._sizes[node] = max(self._sizes[node], offset + len(content))
        if content:
            self.steps.append(Written(node, offset, content))

    def _cut(self, node: int, size: int) -> None:
        self._sizes[node] = size
        self.steps.append(Cut(node, size))


def _content_of(path: Path | None) -> bytes:
    return b"" if path is None else path.read_bytes()
