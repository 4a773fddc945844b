"""The data folder: which datasets are prepared, known without numpy."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.sealed_json import unseal
from tui_trainer.core.specs import DATASET_VERSION, ArrayFile, DatasetSpec
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import remove_folder
from tui_trainer.store.hashing import hash_file

_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Versioned(msgspec.Struct):
    """What manifests of every version have."""

    version: int


def is_prepared(data_dir: Path, name: str) -> bool:
    """Whether the dataset is in the data folder."""
    return (data_dir / name / paths.DATASET_MANIFEST).exists()


def is_outdated(data_dir: Path, name: str) -> bool:
    """Whether the dataset was prepared by an older tuitrain, in files that this one cannot read."""
    try:
        manifest = unseal((data_dir / name / paths.DATASET_MANIFEST).read_bytes())
        return msgspec.json.decode(manifest, type=_Versioned).version < DATASET_VERSION
    except _UNREADABLE:
        # Not here, or damaged: `read_spec` says which.
        return False


def read_spec(data_dir: Path, name: str) -> DatasetSpec:
    """The manifest of a prepared dataset.

    Raises:
        DatasetError: the dataset is not prepared, or its manifest is damaged or of another version.
    """
    file = data_dir / name / paths.DATASET_MANIFEST
    try:
        manifest = unseal(file.read_bytes())
        version = msgspec.json.decode(manifest, type=_Versioned).version
        if version != DATASET_VERSION:
            raise DatasetError(
                f"{file} was written by another version of tuitrain.",
                f"Prepare it again with: tuitrain data get {name}.",
            )
        spec = msgspec.json.decode(manifest, type=DatasetSpec)
    except FileNotFoundError as error:
        raise DatasetError(
            f"The dataset {name} is not in {data_dir}.",
            f"Prepare it with: tuitrain data get {name}.",
        ) from error
    except _UNREADABLE as error:
        raise DatasetError(
            f"{file} is damaged: {error}.", f"Prepare it again with: tuitrain data get {name}."
        ) from error
    entry = DATASETS.get(name)
    if entry is None or not entry.describes(spec):
        raise DatasetError(
            f"{file} does not describe {name}.", f"Prepare it again with: tuitrain data get {name}."
        )
    return spec


def dataset_bytes(spec: DatasetSpec) -> int:
    """The size of a prepared dataset on disk."""
    arrays = [array for split in spec.splits.values() for array in (split.inputs, split.labels)]
    return sum(array.size_bytes for array in arrays)


def remove_dataset(data_dir: Path, name: str) -> None:
    """Delete a prepared dataset.

    Raises:
        DatasetError: it is not prepared.
    """
    folder = data_dir / name
    if name not in DATASETS or not is_prepared(data_dir, name):
        raise DatasetError(
            f"The dataset {name} is not in {data_dir}.", "See what is with: tuitrain data list."
        )
    try:
        remove_folder(folder)
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be removed: {error.strerror or error}.", "Mend its permissions."
        ) from error


def verify_dataset(data_dir: Path, name: str) -> int:
    """Hash every file of a prepared dataset; how many there are comes back.

    Raises:
        DatasetError: one is missing or not as it was written.
    """
    spec = read_spec(data_dir, name)
    arrays = [array for split in spec.splits.values() for array in (split.inputs, split.labels)]
    for array in arrays:
        check_array_file(data_dir / name, array)
    return len(arrays)


def check_array_file(folder: Path, array: ArrayFile) -> Path:
    """The path of an array of the dataset in `folder`, once its bytes are as recorded.

    Raises:
        DatasetError: it is missing or not as it was written.
    """
    file = folder / Path(array.file).name
    try:
        digest = hash_file(file)
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.",
            f"Prepare it again with: tuitrain data get {folder.name}.",
        ) from error
    if digest != array.sha256:
        raise DatasetError(
            f"{file} is damaged: its SHA-256 is not the recorded one.",
            f"Prepare it again with: tuitrain data get {folder.name}.",
        )
    return file
