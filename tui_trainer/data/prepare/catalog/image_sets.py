"""The datasets that are published as folders of photos, with lists beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog.originals import Originals, Wanted, insist_on_published
from tui_trainer.data.prepare.images.files import open_image_files
from tui_trainer.data.prepare.source import SPLITS, Source
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import read_plain

_GOOD_COPY = "Fetch the file again from a good copy."
_MOST_LIST_BYTES = 16 << 20
_NOT_A_CLASS = "BACKGROUND_Google"
_PHOTO_ENDINGS = (".jpg", ".jpeg")

IMAGE_SETS: Mapping[str, Wanted] = {
    "caltech101": Wanted(
        {"images": ("101_ObjectCategories/",)}, ("caltech-101.zip", "101_ObjectCategories.tar.gz")
    ),
    "oxford-pets": Wanted(
        {
            "images": ("images/",),
            "train": ("annotations/trainval.txt",),
            "test": ("annotations/test.txt",),
        },
        ("images.tar.gz", "annotations.tar.gz"),
    ),
    "flowers102": Wanted(
        {"images": ("jpg/",), "labels": ("imagelabels.mat",), "splits": ("setid.mat",)},
        ("102flowers.tgz",),
    ),
    "food101": Wanted(
        {"images": ("images/",), "train": ("meta/train.json",), "test": ("meta/test.json",)},
        ("food-101.tar.gz",),
    ),
    "imagenet": Wanted({"train": ("train/",), "val": ("val/",)}),
}


@dataclass
class _Listing:
    """Photos by their path below `root`, with labels, and splits where they are given."""

    root: Path
    classes: tuple[str, ...] = ()
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    splits: list[int] | None = None
    are_listed: bool = False

    def add(self, names: list[str], labels: list[int], split: str | None = None) -> None:
        self.names += names
        self.labels += labels
        if split is not None:
            self.splits = (self.splits or []) + [SPLITS.index(split)] * len(names)


def open_image_set(
    entry: DatasetEntry, originals: Originals, preparation: PreparationConfig
) -> Source:
    """One of these datasets, from the folders that were found.

    Raises:
        DatasetError: a list is damaged, or classes are missing.
    """
    listing = _LISTERS[entry.name](entry, originals)
    if len(listing.classes) != entry.num_classes:
        raise DatasetError(
            f"{listing.root} has {len(listing.classes)} classes, not the {entry.num_classes} "
            f"of {entry.name}.",
            f"See that the copy is whole; it is published at {entry.source}.",
        )
    published = any(listing.root.is_relative_to(folder) for folder in originals.checked)
    splits_N = None if listing.splits is None else np.array(listing.splits, np.int8)
    return open_image_files(
        listing.root,
        listing.names,
        np.array(listing.labels, np.int64),
        task=entry.task,
        title=entry.title,
        origin=originals.origin(is_published=True if published else None),
        preparation=_settle(entry, preparation),
        classes=listing.classes,
        splits_N=splits_N,
        are_listed=listing.are_listed,
    )


def _settle(entry: DatasetEntry, preparation: PreparationConfig) -> PreparationConfig:
    """How the images are prepared where nothing is said: in colour, and of one size."""
    return msgspec.structs.replace(
        preparation,
        size=preparation.size or entry.size,
        color="rgb" if preparation.color == "auto" else preparation.color,
    )


def _list_caltech(entry: DatasetEntry, originals: Originals) -> _Listing:
    """Caltech 101: a folder for each class, and one of anything, which is none."""
    listing = _Listing(originals.paths["images"], are_listed=True)
    folders = [name for name in _list_names(listing.root, folders=True) if name != _NOT_A_CLASS]
    listing.classes = tuple(folders)
    for label, folder in enumerate(folders):
        names = [f"{folder}/{name}" for name in _list_photos(listing.root / folder)]
        listing.add(names, [label] * len(names))
    return listing


def _list_imagenet(entry: DatasetEntry, originals: Originals) -> _Listing:
    """ImageNet: `train` and `val` with a folder for each synset; `val` is what is tested on."""
    train, tested = originals.paths["train"], originals.paths["val"]
    root = train.parent
    folders = _list_names(train, folders=True)
    if tested.parent != root or _list_names(tested, folders=True) != folders:
        raise DatasetError(
            f"{tested} has not the same folders as {train}.",
            "Move the validation images to a folder for each class, as torchvision and others do.",
        )
    listing = _Listing(root, classes=tuple(folders), are_listed=True)
    for split, place in (("train", train), ("test", tested)):
        for label, folder in enumerate(folders):
            names = [f"{place.name}/{folder}/{name}" for name in _list_photos(place / folder)]
            listing.add(names, [label] * len(names), split)
    return listing


def _list_pets(entry: DatasetEntry, originals: Originals) -> _Listing:
    """Oxford-IIIT Pets: lists of a name, its breed from 1 on, and more, between spaces."""
    listing = _Listing(originals.paths["images"])
    breeds: dict[int, str] = {}
    for split in ("train", "test"):
        file = originals.paths[split]
        names, labels = [], []
        for number, line in enumerate(_read_list(file).decode("latin-1").splitlines(), 1):
            words = line.split()
            if len(words) != 4 or not words[1].isdecimal() or not 0 < int(words[1]) <= 1000:
                raise DatasetError(f"{file} is damaged at line {number}.", _GOOD_COPY)
            names.append(f"{words[0]}.jpg")
            labels.append(int(words[1]) - 1)
            breed = words[0].rpartition("_")[0]
            breeds.setdefault(labels[-1], " ".join(w.title() for w in breed.split("_")))
        listing.add(names, labels, split)
    if sorted(breeds) == list(range(len(breeds))):
        listing.classes = tuple(breeds[label] for label in range(len(breeds)))
    return listing


def _list_flowers(entry: DatasetEntry, originals: Originals) -> _Listing:
    """Flowers 102: a label for each number of an image, and the numbers in each split."""
    from scipy.io import loadmat

    for key in ("labels", "splits"):
        insist_on_published(originals, originals.paths[key])
    listing = _Listing(originals.paths["images"], classes=entry.classes)
    labels_N = loadmat(originals.paths["labels"])["labels"].reshape(-1).astype(np.int64) - 1
    numbers = loadmat(originals.paths["splits"])
    for split, key in (("train", "trnid"), ("test", "tstid"), ("validation", "valid")):
        chosen: list[int] = numbers[key].reshape(-1).tolist()
        names = [f"image_{number:05d}.jpg" for number in chosen]
        listing.add(names, [int(labels_N[number - 1]) for number in chosen], split)
    return listing


def _list_food(entry: DatasetEntry, originals: Originals) -> _Listing:
    """Food-101: the names of the photos of each dish, for each split."""
    listing = _Listing(originals.paths["images"])
    for split in ("train", "test"):
        file = originals.paths[split]
        try:
            photos = msgspec.json.decode(_read_list(file), type=dict[str, list[str]])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DatasetError(f"{file} is damaged: {error}.", _GOOD_COPY) from error
        dishes = tuple(sorted(photos))
        if listing.classes not in ((), dishes):
            raise DatasetError(f"{file} names other classes than the list before.", _GOOD_COPY)
        listing.classes = dishes
        for dish, paths in photos.items():
            names = [f"{path}.jpg" for path in paths]
            listing.add(names, [dishes.index(dish)] * len(names), split)
    return listing


def _list_photos(folder: Path) -> list[str]:
    names = _list_names(folder, folders=False)
    return [name for name in names if name.lower().endswith(_PHOTO_ENDINGS)]


def _list_names(folder: Path, *, folders: bool) -> list[str]:
    """The files or folders in a folder, sorted; links are neither, and what is hidden is left."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and (
                    entry.is_dir(follow_symlinks=False)
                    if folders
                    else entry.is_file(follow_symlinks=False)
                )
            )
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be read: {error.strerror or error}.", "Check its rights."
        ) from error


def _read_list(file: Path) -> bytes:
    try:
        return read_plain(file, _MOST_LIST_BYTES)
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error


_LISTERS: dict[str, Callable[[DatasetEntry, Originals], _Listing]] = {
    "caltech101": _list_caltech,
    "oxford-pets": _list_pets,
    "flowers102": _list_flowers,
    "food101": _list_food,
    "imagenet": _list_imagenet,
}
