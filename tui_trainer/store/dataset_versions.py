"""Earlier versions of prepared datasets, kept for the runs that were trained on them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.dataset_versions import hash_data, name_earlier
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import new_folder, remove_folder
from tui_trainer.store.datasets import arrays_of, is_prepared, read_spec

_TRAINED_ON = "trained-on"


def note_training(data_dir: Path, spec: DatasetSpec) -> None:
    """Note that a run trains on a dataset: this version is kept when its source changes."""
    # Where this folder may not be written to, nothing will be put in its place either.
    with contextlib.suppress(OSError):
        (data_dir / spec.name / _TRAINED_ON).touch()


def find_version(data_dir: Path, name: str, data_sha256: str) -> str:
    """The folder of dataset `name` whose data have this hash; `name` where none has."""
    for folder in (name, name_earlier(name, data_sha256)):
        try:
            if is_prepared(data_dir, folder) and _hash_of(data_dir, folder) == data_sha256:
                return folder
        except DatasetError:
            # Damaged, or of another version of tuitrain: whoever opens it is told.
            continue
    return name


def _hash_of(data_dir: Path, folder: str) -> str:
    return hash_data(read_spec(data_dir, folder))


@contextlib.contextmanager
def earlier_kept(data_dir: Path, name: str) -> Iterator[list[str]]:
    """While a dataset is prepared anew, and after it, the version that runs were trained on stays.

    Who calls holds the lock on its name. The list gets the folder of that version once the block
    is left, if the dataset is another now.

    Raises:
        OSError: it cannot be kept.
    """
    kept: list[str] = []
    before = _trained_on(data_dir, name)
    if before is None:
        yield kept
        return
    folder = name_earlier(name, hash_data(before))
    is_new = not is_prepared(data_dir, folder)
    if is_new:
        _link_folder(data_dir, before, data_dir / folder)
    try:
        yield kept
    finally:
        if find_version(data_dir, name, hash_data(before)) == folder:
            kept.append(folder)
        elif is_new:
            # It came out the same, or did not come out: what was there is there still.
            remove_folder(data_dir / folder)


def _trained_on(data_dir: Path, name: str) -> DatasetSpec | None:
    """The dataset as it is, if a run was trained on it."""
    if not (data_dir / name / _TRAINED_ON).exists():
        return None
    try:
        return read_spec(data_dir, name)
    except DatasetError:
        # Damaged: no run can be judged on it any more.
        return None


def _link_folder(data_dir: Path, spec: DatasetSpec, folder: Path) -> None:
    """Give the files of a dataset a second name, which costs no room where links are known."""
    files = [paths.DATASET_MANIFEST, _TRAINED_ON, *spec.files]
    files += [Path(array.file).name for array in arrays_of(spec)]
    with new_folder(folder) as temporary:
        for file in files:
            _link(data_dir / spec.name / file, temporary / file)


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to, follow_symlinks=False)
    except FileNotFoundError:
        # Damaged already: it is missing there too, and whoever opens that version is told.
        return
    except OSError:
        shutil.copyfile(file, to, follow_symlinks=False)
