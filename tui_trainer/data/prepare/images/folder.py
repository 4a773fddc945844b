"""`folder:PATH`: images in folders of their classes, or beside a table of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.images.class_folders import (
    ClassFolders,
    Contents,
    list_classes,
    look_into,
    skip_loose,
)
from tui_trainer.data.prepare.images.file_names import show_name
from tui_trainer.data.prepare.images.files import open_image_files
from tui_trainer.data.prepare.images.listing import Listing, class_name
from tui_trainer.data.prepare.source import SPLITS, Source, stamp_files
from tui_trainer.errors import DatasetError
from tui_trainer.store.source_stamps import Stamp, stamp_present

LABEL_TABLES = ("labels.csv", "labels.tsv", "metadata.csv", "metadata.tsv")
"""Names of the table that tells the labels of the images beside it."""

_SPLIT_FOLDERS: dict[str, str] = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
_LAYOUT = (
    "Put the images in one folder for each class, such as cat/1.jpg, or in train/cat and test/cat, "
    "or put a table labels.csv with the columns file and label beside them."
)
_SHOWN_CLASSES = 3


def open_folder(path: Path, preparation: PreparationConfig) -> Source:
    """The images below a folder with their labels, as a source.

    Three layouts are known: `PATH/CLASS/…/image`; `PATH/train/CLASS/…/image` with `test` and `val`,
    `valid` or `validation` beside `train`, which are then the splits; and images with a table
    `labels.csv`, `labels.tsv`, `metadata.csv` or `metadata.tsv` in PATH. A `val` folder without a
    `test` folder is the test split.

    Raises:
        DatasetError: it is no such folder; a class has no image; there is one class only; classes
            have the same name; a held-out class is not in `train`.
    """
    try:
        root = path.resolve(strict=True)
        stamps = stamp_files(root)
        contents = look_into(root)
    except (OSError, RuntimeError, ValueError) as error:
        # Links that go round in circles are a RuntimeError, a zero byte is a ValueError.
        told = (isinstance(error, OSError) and error.strerror) or str(error)
        raise DatasetError(
            f"{show_name(str(path))} cannot be listed: {told}.", "Name a folder with images in it."
        ) from error
    for name in LABEL_TABLES:
        if name in contents.files:
            return _open_table(root, name, preparation)
    if preparation.task not in ("auto", "classification"):
        raise DatasetError(
            f"Folders of classes give each image one class, not a {preparation.task} label.",
            "Put a table labels.csv with the columns file and label in the folder.",
        )
    splits = _find_splits(root, contents)
    return _open_classes(root, contents, splits, stamps, preparation)


def _open_table(root: Path, name: str, preparation: PreparationConfig) -> Source:
    # Here, as folders of classes need nothing of it.
    from tui_trainer.data.prepare.tables.csv_files import open_csv

    source = open_csv(root / name, preparation)
    if source.facts.kind != "image":
        raise DatasetError(
            f"{name} in {show_name(str(root))} has no column of the names of image files.",
            "Call that column file, or name it with --inputs.",
        )
    return replace(source, facts=replace(source.facts, title=class_name(str(root)) or "images"))


def _find_splits(root: Path, contents: Contents) -> dict[str, str] | None:
    """The folders of the official splits; None where the folders are those of classes.

    A folder `train` by itself or with another split beside it is no class.
    """
    found: dict[str, str] = {}
    for folder in contents.folders:
        split = _SPLIT_FOLDERS.get(folder.lower())
        if split in found:
            raise DatasetError(
                f"{show_name(str(root))} has two folders of the {split} split: {found[split]} and "
                f"{folder}.",
                "Remove one of them, or join them.",
            )
        if split:
            found[split] = folder
    if "train" not in found or (len(found) == 1 and len(contents.folders) > 1):
        return None
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    return found


def _open_classes(
    root: Path,
    contents: Contents,
    splits: dict[str, str] | None,
    stamps: dict[str, Stamp],
    preparation: PreparationConfig,
) -> Source:
    folders = {"train": ""} if splits is None else splits
    places = [str(root / folder) for folder in folders.values()]
    stamps = {place: stamp_present(place) for place in places} | stamps
    parts = {split: list_classes(root, folders[split]) for split in SPLITS if split in folders}
    skipped = [one for part in parts.values() for one in part.skipped]
    if splits is not None:
        skipped += skip_loose(contents, "", but=tuple(splits.values()))
    classes = tuple(sorted(parts["train"].listings))
    _check_classes(root, folders, parts, classes)
    names: list[str] = []
    labels: list[int] = []
    numbers: list[int] = []
    for split, part in parts.items():
        for label, name in enumerate(classes):
            found = part.listings.get(name, Listing()).names
            names += found
            labels += [label] * len(found)
            numbers += [SPLITS.index(split)] * len(found)
    has_splits = splits is not None and len(splits) > 1
    return open_image_files(
        root,
        names,
        np.array(labels, np.int64),
        task="classification",
        classes=classes,
        title=class_name(str(root)) or "images",
        origin=_describe_origin(splits),
        preparation=preparation,
        splits_N=np.array(numbers, np.int8) if has_splits else None,
        stamps=_stamps_of(root, stamps, parts),
        skipped=skipped,
        are_listed=True,
    )


def _check_classes(
    root: Path, folders: dict[str, str], parts: dict[str, ClassFolders], classes: tuple[str, ...]
) -> None:
    """Make sure that there is something to tell apart, and that all of it can be learnt.

    Raises:
        DatasetError: there is not.
    """
    shown = show_name(str(root / folders["train"]))
    empty = [name for name in classes if not parts["train"].listings[name].names]
    if len(classes) == 0 or len(empty) == len(classes):
        raise DatasetError(f"{shown} has no folders with images.", _LAYOUT)
    if len(classes) == 1:
        raise DatasetError(f"{shown} has only one class, {classes[0]}.", _LAYOUT)
    if empty:
        reasons = [one for name in empty for one in parts["train"].listings[name].skipped]
        why = f"; {reasons[0].name}: {reasons[0].reason}" if reasons else ""
        raise DatasetError(
            f"There is no image to learn from in the class {_name_some(empty)}{why}.",
            f"Add images to the folder in {shown}, or remove it.",
        )
    for split, part in parts.items():
        unknown = sorted(set(part.listings) - set(classes))
        if unknown:
            raise DatasetError(
                f"{folders[split]} has classes that {folders['train']} has not: "
                f"{_name_some(unknown)}.",
                "Give both the same folders of classes.",
            )
        if not any(listing.names for listing in part.listings.values()):
            raise DatasetError(
                f"{show_name(str(root / folders[split]))} has no folders with images.", _LAYOUT
            )


def _name_some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_CLASSES
    return ", ".join(names[:_SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")


def _describe_origin(splits: dict[str, str] | None) -> str:
    if splits is None:
        return "images in folders of classes"
    told = [f"{folder} is the {split} split" for split, folder in splits.items() if folder != split]
    return "; ".join(["images in folders of splits and classes", *told])


def _stamps_of(
    root: Path, stamps: dict[str, Stamp], parts: dict[str, ClassFolders]
) -> dict[str, Stamp]:
    """The stamps of all folders that were looked into: they tell when a file comes or goes."""
    listings = [listing for part in parts.values() for listing in part.listings.values()]
    below = sorted(pair for listing in listings for pair in listing.folders.items())
    return stamps | {str(root / folder): stamp for folder, stamp in below}
