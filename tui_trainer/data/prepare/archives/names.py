"""The names of an archive's members: which can be written, and which must not."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath

from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import DatasetError

_MOST_PART_BYTES = 255
_MOST_NAME_BYTES = 1024
_SHOWN_LENGTH = 80
_DRIVE = re.compile(r"[A-Za-z]:")
_REMEDY = "Do not trust the archive; fetch it again from a good source."


def refuse_member(archive: str, name: str, clause: str) -> DatasetError:
    """The error for a member that must not be written; `clause` says what it is."""
    shown = sanitize(name, limit=_SHOWN_LENGTH)
    return DatasetError(f"{archive} is refused: its member {shown!r} {clause}.", _REMEDY)


class MemberNames:
    """The names of the members of one archive, as they come."""

    def __init__(self, archive: Path, max_members: int) -> None:
        self.archive = archive
        self._max_members = max_members
        self._num_members = 0
        # As a file system sees it that tells neither case nor Unicode forms apart; the parents of
        # files among them. The value is how it is written, and whether it is a folder.
        self._seen: dict[str, tuple[str, bool]] = {}

    def admit(self, name: str, *, is_folder: bool) -> PurePosixPath:
        """The relative path of the next member, without parts that say nothing.

        Raises:
            DatasetError: it leads out of the archive, is like another one, cannot be a name
                everywhere, or there are too many members.
        """
        self._num_members += 1
        if self._num_members > self._max_members:
            raise DatasetError(
                f"{self.archive.name} is refused: it has more than {self._max_members:,} members.",
                _REMEDY,
            )
        clause = _find_fault(name)
        if clause:
            raise refuse_member(self.archive.name, name, clause)
        path = PurePosixPath(*(part for part in name.split("/") if part not in ("", ".")))
        if not path.parts and not is_folder:
            raise refuse_member(self.archive.name, name, "has no name")
        for parent in reversed(path.parents[:-1]):
            self._note(parent, name, is_folder=True)
        if path.parts:
            self._note(path, name, is_folder=is_folder)
        return path

    def _note(self, path: PurePosixPath, name: str, *, is_folder: bool) -> None:
        written = str(path)
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", written).casefold())
        earlier = self._seen.get(key)
        if earlier is None:
            self._seen[key] = (written, is_folder)
        elif not (is_folder and earlier == (written, True)):
            shown = sanitize(earlier[0], limit=_SHOWN_LENGTH)
            raise refuse_member(self.archive.name, name, f"is in the way of {shown!r}")


def _find_fault(name: str) -> str | None:
    """What keeps a name from being written as it is; None where nothing does."""
    if sanitize(name, limit=len(name) + 1) != name:
        return "has characters in its name that cannot be shown"
    if len(name.encode()) > _MOST_NAME_BYTES:
        return f"has a name of {len(name):,} characters"
    if name.startswith("/") or "\\" in name or _DRIVE.match(name):
        return "has an absolute name, or that of another system"
    parts = name.split("/")
    if ".." in parts:
        return "leads out of its folder"
    if any(len(part.encode()) > _MOST_PART_BYTES for part in parts):
        return f"has a name of more than {_MOST_PART_BYTES} bytes"
    return None
