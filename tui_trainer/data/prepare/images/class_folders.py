"""Folders that are named like classes, each with its images."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare.images.file_names import show_name
from tui_trainer.data.prepare.images.listing import (
    Listing,
    class_name,
    is_named_image,
    is_passed_over,
    list_images,
)
from tui_trainer.errors import DatasetError


@dataclass
class Contents:
    """What lies directly in a folder: names of folders, of files, and what is set aside."""

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


@dataclass
class ClassFolders:
    """The class folders of a split: their images by the name of the class."""

    listings: dict[str, Listing] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def list_classes(root: Path, folder: str) -> ClassFolders:
    """The images of the class folders in `folder`, which is relative to `root`.

    Raises:
        DatasetError: two folders are of one class, or one has no name that can be shown.
    """
    part = ClassFolders()
    try:
        contents = look_into(root / folder)
    except OSError as error:
        raise DatasetError(
            f"{show_name(str(root / folder))} cannot be listed: {error.strerror}.",
            "See that it can be read.",
        ) from error
    part.skipped += skip_loose(contents, folder, but=tuple(contents.folders))
    for name in contents.folders:
        shown = class_name(name)
        if not shown or shown in part.listings:
            told = f"the same class as another: {shown}" if shown else "no class that can be shown"
            raise DatasetError(
                f"A folder in {show_name(str(root / folder))} names {told}.",
                "Rename it; some of its characters cannot be seen.",
            )
        part.listings[shown] = list_images(str(root), f"{folder}/{name}" if folder else name)
        part.skipped += part.listings[shown].skipped
    return part


def look_into(folder: Path) -> Contents:
    contents = Contents()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if is_passed_over(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                contents.folders.append(entry.name)
            elif entry.is_symlink() and os.path.isdir(entry):
                contents.links.append(entry.name)
            else:
                contents.files.append(entry.name)
    return contents


def skip_loose(contents: Contents, folder: str, *, but: tuple[str, ...]) -> list[Skipped]:
    """What lies beside the folders that are read and looks as if it should be read."""
    prefix = f"{folder}/" if folder else ""
    reasons = dict.fromkeys(contents.links, "it is a link to a folder, which is not followed")
    for name in contents.folders:
        if name not in but:
            reasons[name] = "the folder is that of no split"
    for name in contents.files:
        if "." in name and is_named_image(name):
            reasons[name] = "it is in no folder of a class"
    return [Skipped(name=show_name(prefix + name), reason=why) for name, why in reasons.items()]
