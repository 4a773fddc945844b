"""The data folder: which datasets are prepared, known without numpy."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name, settle_reference
from tui_trainer.core.dataset_versions import current_name, hash_data, is_earlier, name_earlier
from tui_trainer.core.sealed_json import unseal
from tui_trainer.core.spec_flaws import find_flaw
from tui_trainer.core.specs import DATASET_VERSION, ArrayFile, DatasetSpec
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import remove_folder, replace_file
from tui_trainer.store.file_lock import locked
from tui_trainer.store.hashing import hash_file
from tui_trainer.store.plain_file import read_plain
from tui_trainer.store.source_stamps import few_differ, listed_differ

_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_VERIFIED = "verified.json"
_MOST_MANIFEST_BYTES = 1 << 28

FileStamp = tuple[int, int, int, int]


class _Versioned(msgspec.Struct):
    """What manifests of every version have."""

    version: int


def prepared_names(data_dir: Path) -> list[str]:
    """The folders in the data folder that hold a prepared dataset, whole or damaged, by name."""
    try:
        entries = list(os.scandir(data_dir))
    except OSError:
        # There is no data folder yet, or it may not be read: nothing is here.
        return []
    names = (entry.name for entry in entries if not entry.name.startswith("."))
    return sorted(name for name in names if is_prepared(data_dir, name))


def is_prepared(data_dir: Path, name: str) -> bool:
    """Whether the dataset is in the data folder."""
    try:
        return (data_dir / name / paths.DATASET_MANIFEST).exists()
    except OSError:
        # Too long to be the name of a folder, or in a folder that may not be looked into.
        return False


def is_outdated(data_dir: Path, name: str) -> bool:
    """Whether the dataset was prepared by an older tuitrain, in files that this one cannot read."""
    try:
        manifest = unseal(_read(data_dir / name / paths.DATASET_MANIFEST))
        return msgspec.json.decode(manifest, type=_Versioned).version < DATASET_VERSION
    except _UNREADABLE:
        # Not here, or damaged: `read_spec` says which.
        return False


def has_changed(data_dir: Path, spec: DatasetSpec, *, is_thorough: bool = True) -> bool:
    """Whether the files that a dataset was prepared from are others now, as far as they are here.

    An earlier version is kept as it was: of that it is not asked. Without `is_thorough` no more
    than the first `MOST_STAMPS` files and folders of a source are looked at, which tell of files
    that came or went, but not of all that were written over.
    """
    if spec.source is None or is_earlier(spec.name):
        return False
    if few_differ(spec.source):
        return True
    return is_thorough and listed_differ(data_dir / spec.name, spec)


def read_spec(data_dir: Path, name: str, reference: str = "") -> DatasetSpec:
    """The manifest of a prepared dataset, under the name of its folder.

    `reference` is what a person calls it, if not `name`.

    Raises:
        DatasetError: the dataset is not prepared, or its manifest is damaged or of another version.
    """
    file = data_dir / name / paths.DATASET_MANIFEST
    again = f"Prepare it again with: tuitrain data get {reference or name}."
    try:
        manifest = unseal(_read(file))
        version = msgspec.json.decode(manifest, type=_Versioned).version
        if version != DATASET_VERSION:
            raise DatasetError(f"{file} was written by another version of tuitrain.", again)
        spec = msgspec.json.decode(manifest, type=DatasetSpec)
    except FileNotFoundError as error:
        raise DatasetError(
            f"The dataset {reference or name} is not in {data_dir}.", again.replace(" again", "")
        ) from error
    except _UNREADABLE as error:
        raise DatasetError(f"{file} is damaged: {error}.", again) from error
    if not _is_of(spec, name):
        raise DatasetError(f"{file} does not describe {reference or name}.", again)
    if flaw := find_flaw(spec):
        raise DatasetError(f"{file} is damaged: it tells of {flaw}.", again)
    return msgspec.structs.replace(spec, name=name)


def _read(file: Path) -> bytes:
    return read_plain(file, _MOST_MANIFEST_BYTES)


def find_spec(data_dir: Path, reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
    """What a dataset was found to be when it was prepared so; None where it is not here.

    Paths in the reference begin at the working folder.

    Raises:
        DatasetError: the reference is none, or what was prepared is damaged.
    """
    settled = settle_reference(reference, Path.cwd())
    name = prepared_name(settled, preparation)
    if not is_prepared(data_dir, name) or is_outdated(data_dir, name):
        return None
    return read_spec(data_dir, name, settled)


def _is_of(spec: DatasetSpec, name: str) -> bool:
    """Whether a manifest may lie in the folder of this name."""
    if is_earlier(name) and name != name_earlier(spec.name, hash_data(spec)):
        return False
    if spec.name != current_name(name):
        return False
    entry = DATASETS.get(spec.name)
    if entry is not None:
        return entry.describes(spec)
    source = spec.source
    return source is not None and prepared_name(source.reference, source.preparation) == spec.name


def dataset_bytes(spec: DatasetSpec) -> int:
    """The size of a prepared dataset on disk."""
    return sum(array.size_bytes for array in arrays_of(spec))


def arrays_of(spec: DatasetSpec) -> list[ArrayFile]:
    """Every array of a dataset."""
    return [array for split in spec.splits.values() for array in split.arrays]


def lock_of(data_dir: Path, name: str) -> Path:
    """The file that is locked by whoever prepares or removes a dataset."""
    return data_dir / f".{name}.lock"


def discard_leftovers(data_dir: Path, name: str) -> None:
    """Delete what a preparation of `name` that did not come to its end left. Nobody else does one.

    It only takes room: what cannot be deleted now is found again.
    """
    shutil.rmtree(data_dir / f"{paths.UNFINISHED_DATASET}{name}", ignore_errors=True)
    shutil.rmtree(data_dir / paths.ORIGINALS / name, ignore_errors=True)


def remove_dataset(data_dir: Path, name: str, on_wait: Callable[[], object] = lambda: None) -> None:
    """Delete a prepared dataset, and what was begun to prepare it anew.

    `on_wait` is called once if a process prepares it now, which is waited for.

    Raises:
        DatasetError: it is not prepared.
    """
    folder = data_dir / name
    if Path(name).name != name or not is_prepared(data_dir, name):
        raise DatasetError(
            f"The dataset {name} is not in {data_dir}.", "See what is with: tuitrain data list."
        )
    try:
        with locked(lock_of(data_dir, name), on_wait):
            remove_folder(folder)
            discard_leftovers(data_dir, name)
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be removed: {error.strerror or error}.", "Mend its permissions."
        ) from error


def verify_dataset(
    data_dir: Path, name: str, report: Callable[[int, int], object] = lambda done, total: None
) -> int:
    """Hash every file of a prepared dataset; how many there are comes back.

    `report(done, total)` hears of the bytes.

    Raises:
        DatasetError: one is missing or not as it was written.
    """
    spec, folder = read_spec(data_dir, name), data_dir / name
    arrays, done, stamps = arrays_of(spec), 0, dict[str, tuple[str, FileStamp]]()
    for array in arrays:
        report(done, dataset_bytes(spec))
        path = folder / Path(array.file).name
        stamps[path.name] = array.sha256, _check_hash(path, array.sha256)
        done += array.size_bytes
    for file, sha256 in spec.files.items():
        _check_hash(folder / Path(file).name, sha256)
    report(done, dataset_bytes(spec))
    # Where this folder may not be written to, every use hashes again.
    with contextlib.suppress(OSError):
        _write_verified(folder, stamps)
    return len(arrays) + len(spec.files)


def check_array_file(folder: Path, array: ArrayFile) -> Path:
    """The path of an array of the dataset in `folder`, once its bytes are as recorded.

    They are hashed once; after that it is enough that the file has not been touched since.

    Raises:
        DatasetError: it is missing or not as it was written.
    """
    file = folder / Path(array.file).name
    verified = _read_verified(folder)
    with contextlib.suppress(OSError):
        if verified.get(file.name) == (array.sha256, stamp_of(file)):
            return file
    stamp = _check_hash(file, array.sha256)
    # As in `verify_dataset`.
    with contextlib.suppress(OSError):
        _write_verified(folder, {**verified, file.name: (array.sha256, stamp)})
    return file


def remember_verified(folder: Path, spec: DatasetSpec) -> None:
    """Note that the arrays of a dataset were read and found to be as its manifest says.

    Raises:
        OSError: the note cannot be written, or is not read back as it was.
    """
    stamps = {a.file: (a.sha256, stamp_of(folder / a.file)) for a in arrays_of(spec)}
    _write_verified(folder, stamps)
    if _read_verified(folder) != stamps:
        raise OSError(errno.EIO, "The disk did not give it back as it was written")


def _check_hash(file: Path, sha256: str) -> FileStamp:
    """Hash a file; its stamp from before comes back, as it may be written to meanwhile.

    Raises:
        DatasetError: it is missing or not as it was written.
    """
    again = f"Prepare it again with: tuitrain data get {file.parent.name}."
    try:
        stamp = stamp_of(file)
        digest = hash_file(file)
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror or error}.", again) from error
    if digest != sha256:
        raise DatasetError(f"{file} is damaged: its SHA-256 is not the recorded one.", again)
    return stamp


def stamp_of(file: Path) -> FileStamp:
    """What changes when a file is written to or replaced; the last of it nobody can set back."""
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read_verified(folder: Path) -> dict[str, tuple[str, FileStamp]]:
    try:
        content = _read(folder / _VERIFIED)
        return msgspec.json.decode(content, type=dict[str, tuple[str, FileStamp]])
    except _UNREADABLE:
        # Nothing is known to be verified: it is hashed again.
        return {}


def _write_verified(folder: Path, stamps: dict[str, tuple[str, FileStamp]]) -> None:
    replace_file(folder / _VERIFIED, msgspec.json.encode(stamps), durable=False)
