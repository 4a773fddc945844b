"""Where below a path texts lie: in one file, in a file for each split, or in folders of classes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare.images.file_names import show_name, why_not_file
from tui_trainer.data.prepare.images.listing import class_name, is_passed_over
from tui_trainer.data.prepare.source import (
    SPLITS,
    Stamps,
    stamp_files,
    stamp_source,
    stamp_splits,
)
from tui_trainer.data.prepare.tables.plain_stream import tell_unreadable
from tui_trainer.data.prepare.texts.columns import KNOWN_NAMES
from tui_trainer.data.prepare.texts.records import FolderReader, JsonReader, Reader, TableReader
from tui_trainer.errors import DatasetError
from tui_trainer.store.source_stamps import Stamp, stamp_present

_TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_LINES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")
_SPLIT_NAMES = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
}
_FORMS = (
    "Name a .csv, .tsv, .jsonl or .parquet file (the text ones may be .gz too), a folder with "
    "train and test files of these, or one with a folder of .txt files for each class."
)


@dataclass(frozen=True)
class Part:
    """Texts of one split; `split` is empty where there is only one part."""

    reader: Reader
    split: str = ""


@dataclass(frozen=True)
class Layout:
    """What lies below a path.

    Attributes:
        skipped: What cannot be read, so much as is known without reading.
        stamps: Of the files of the texts, and of the folders that were looked into.
    """

    parts: tuple[Part, ...]
    stamps: Stamps
    skipped: tuple[Skipped, ...] = ()


def find_layout(path: Path, preparation: PreparationConfig) -> Layout:
    """Find the texts below a path.

    A `val`, `valid`, `validation` or `dev` part without a `test` part is the test split.

    Raises:
        DatasetError: there are none, or it cannot be told which they are.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise tell_unreadable(show_name(str(path)), error) from error
    if not is_folder:
        stamps = Stamps(stamp_files(path))
        return Layout((Part(_open_file(path, preparation)),), stamps)
    root = path.resolve()
    files, folders = _list(root)
    by_split = _find_files(root, files)
    if by_split:
        found = stamp_files(*(root / name for name in by_split.values()))
        stamps = Stamps(found | stamp_splits(root, _SPLIT_NAMES, by_split, (*_TABLES, *_LINES)))
        readers = {
            split: _open_file(root / name, preparation, f"{name}, ")
            for split, name in by_split.items()
        }
        return Layout(_as_parts(readers), stamps)
    return _find_classes(root, folders, preparation)


def _list(folder: Path) -> tuple[list[str], list[str]]:
    """Names of files and folders, sorted, but for hidden ones and links to folders."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_passed_over(entry.name):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                (folders if is_folder else files).append(entry.name)
    except OSError as error:
        raise DatasetError(
            f"{show_name(str(folder))} cannot be listed: {error.strerror}.",
            "Check its path and rights.",
        ) from error
    return sorted(files), sorted(folders)


def _find_files(root: Path, files: list[str]) -> dict[str, str]:
    """The file of each split; empty where there is none for training."""
    found: dict[str, str] = {}
    for name in files:
        stem, dot, ending = name.lower().partition(".")
        if stem not in _SPLIT_NAMES or dot + ending not in (*_TABLES, *_LINES):
            continue
        split = _SPLIT_NAMES[stem]
        if split in found:
            raise DatasetError(
                f"{show_name(str(root))} has two files of the {split} split: {found[split]} and "
                f"{show_name(name)}.",
                "Remove one of them.",
            )
        if reason := why_not_file(str(root), name):
            raise DatasetError(
                f"{show_name(str(root / name))} cannot be used: {reason}.", "Put a copy there."
            )
        found[split] = name
    return found if "train" in found else {}


def _open_file(path: Path, preparation: PreparationConfig, prefix: str = "") -> Reader:
    name = path.name.lower()
    if name.endswith(_LINES):
        return JsonReader(path, preparation, prefix)
    if name.endswith(".parquet"):
        # Here, as it needs a package that not everybody has.
        from tui_trainer.data.prepare.tables.parquet_table import ParquetTable

        return TableReader(ParquetTable(path), preparation, prefix)
    if name.endswith(_TABLES):
        from tui_trainer.data.prepare.tables.csv_table import CsvTable

        return TableReader(CsvTable(path, KNOWN_NAMES), preparation, prefix)
    raise DatasetError(f"{show_name(str(path))} is no file of texts by its name.", _FORMS)


def _find_classes(root: Path, folders: list[str], preparation: PreparationConfig) -> Layout:
    """The texts in folders of their classes, perhaps in folders of splits."""
    if preparation.task not in ("auto", "classification"):
        raise DatasetError(
            f"Folders of classes give each text one class, not a {preparation.task} label.",
            "Put the texts and their labels into a .csv or .jsonl file.",
        )
    found = {_SPLIT_NAMES[name.lower()]: name for name in folders if name.lower() in _SPLIT_NAMES}
    has_splits = "train" in found and len(found) > 1
    places = {split: root / name for split, name in found.items()} if has_splits else {"": root}
    skipped, names = [], list[str]()
    # Later ones do not count: what changed since a folder was listed has to show.
    stamps = {str(place): stamp_present(place) for place in (root, *places.values())}
    readers: dict[str, Reader] = {}
    for split, place in places.items():
        files, class_folders = [], _list(place)[1]
        _check_names(place, class_folders)
        for folder in class_folders:
            label = class_name(folder)
            texts, others, looked_into = _find_texts(root, place / folder)
            if not texts:
                raise DatasetError(
                    f"The class {label!r} of {show_name(str(place))} has no .txt file.",
                    "Put texts into its folder, or remove it.",
                )
            files += [(name, label) for name in texts]
            skipped += others
            stamps |= looked_into
            names += texts
        if not files:
            raise DatasetError(f"{show_name(str(place))} holds no texts.", _FORMS)
        readers[split] = FolderReader(str(root), files)
    return Layout(_as_parts(readers), stamp_source(stamps, root, names), tuple(skipped))


def _check_names(place: Path, folders: list[str]) -> None:
    names = [class_name(folder) for folder in folders]
    for name in names:
        if not name or names.count(name) > 1:
            raise DatasetError(
                f"{show_name(str(place))} has folders whose names are shown alike: {name!r}.",
                "Rename one of them.",
            )


def _find_texts(root: Path, folder: Path) -> tuple[list[str], list[Skipped], dict[str, Stamp]]:
    """The `.txt` files below a folder, relative to `root` and sorted; what else; the folders."""
    texts, skipped, looked_into = [], [], dict[str, Stamp]()
    for place in _walk(folder):
        looked_into[str(place)] = stamp_present(place)
        for entry in _list(place)[0]:
            name = str((place / entry).relative_to(root))
            if not entry.lower().endswith(".txt"):
                skipped.append(Skipped(name=show_name(name), reason="it is no .txt file"))
            else:
                texts.append(name)
    return sorted(texts), skipped, looked_into


def _walk(folder: Path) -> Iterator[Path]:
    """A folder and all below it."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        yield place
        waiting += [place / name for name in _list(place)[1]]


def _as_parts(readers: dict[str, Reader]) -> tuple[Part, ...]:
    """The parts by their split, of which there is one for testing if there is more than one."""
    if len(readers) == 1:
        return tuple(map(Part, readers.values()))
    if "test" not in readers:
        readers["test"] = readers.pop("validation")
    return tuple(Part(readers[split], split) for split in SPLITS if split in readers)
