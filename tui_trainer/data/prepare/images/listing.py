"""The image files below a folder, and what else lies there."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tui_trainer.core.specs import Skipped
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.images.file_names import show_name, why_not_file
from tui_trainer.store.source_stamps import Stamp, stamp_present

# Endings of files that are decoded to see what they are. A name without an ending is, too.
_IMAGE_ENDINGS = frozenset(
    [
        "",
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "mpo",
        "png",
        "apng",
        "webp",
        "gif",
        "bmp",
        "dib",
        "tif",
        "tiff",
        "ppm",
        "pgm",
        "pbm",
        "pnm",
    ]
)
# What systems leave in folders of images.
_LEFT_BY_SYSTEMS = frozenset(["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"])
_NAME_LENGTH = 200


@dataclass
class Listing:
    """What was found below a folder, named relative to a root: images, and what is set aside.

    `folders` are all folders that were looked into, themselves relative to the root, with their
    stamps of just before.
    """

    names: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    folders: dict[str, Stamp] = field(default_factory=dict)


def list_images(root: str, folder: str) -> Listing:
    """The image files anywhere below `root/folder`, sorted by name.

    Links to folders are not followed, and links to files only where they stay below `root`, which
    is a resolved path. Hidden files and what systems leave are passed over.
    """
    listing = Listing()
    waiting = [folder]
    while waiting:
        _list_one(root, waiting.pop(), listing, waiting)
    listing.names.sort()
    listing.skipped.sort(key=lambda one: one.name)
    return listing


def _list_one(root: str, folder: str, listing: Listing, waiting: list[str]) -> None:
    path = os.path.join(root, folder)
    stamp = stamp_present(path)
    try:
        with os.scandir(path) as entries:
            listing.folders[folder] = stamp
            for entry in entries:
                if is_passed_over(entry.name):
                    continue
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif reason := _why_no_image(root, name, entry):
                    listing.skipped.append(Skipped(name=show_name(name), reason=reason))
                else:
                    listing.names.append(name)
    except OSError as error:
        reason = f"the folder cannot be listed: {error.strerror}"
        listing.skipped.append(Skipped(name=show_name(folder), reason=reason))


def is_passed_over(name: str) -> bool:
    """Whether a file or a folder is hidden, or left by a system."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def is_named_image(name: str) -> bool:
    """Whether the name of a file ends as that of an image that is read here, or has no ending."""
    stem, dot, ending = name.rpartition(".")
    return not dot or not stem or ending.lower() in _IMAGE_ENDINGS


def class_name(folder: str) -> str:
    """What a class is called whose folder has this name: fit to be shown and stored anywhere.

    Bytes that are not UTF-8 are replaced, the rest is composed (NFC) and stripped of controls.
    """
    text = os.fsencode(PurePosixPath(folder).name).decode("utf-8", "replace")
    return sanitize(unicodedata.normalize("NFC", text), limit=_NAME_LENGTH).strip()


def _why_no_image(root: str, name: str, entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        if os.path.isdir(entry):
            return "it is a link to a folder, which is not followed"
        if reason := why_not_file(root, name):
            return reason
    elif not entry.is_file(follow_symlinks=False):
        return "it is not a regular file"
    if not is_named_image(entry.name):
        return "its name is not that of a JPEG, PNG, WebP, GIF, BMP, TIFF or PPM image"
    return ""
