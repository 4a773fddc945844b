"""Preparations of datasets that were cut off: of what they are, how far they came, their end."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import is_own, settle_reference
from tui_trainer.core.sealed_json import encode_sealed, unseal
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import make_folder, replace_file
from tui_trainer.store.datasets import discard_leftovers, lock_of
from tui_trainer.store.file_lock import is_locked, locked
from tui_trainer.store.plain_file import read_plain

PROGRESS = "progress.json"
"""In the folder of an unfinished dataset: how far it has come."""

_BEGINNING = "beginning.json"
_MOST_BYTES = 1 << 28
_UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What a preparation is of.

    Attributes:
        total: Samples in the source.
        originals: The folder or archive of official files that it reads; empty where none is.
    """

    reference: str
    preparation: PreparationConfig
    total: int
    originals: str = ""


@dataclass(frozen=True)
class Unfinished:
    """A preparation that has begun and not come to its end.

    Attributes:
        beginning: None where nothing was read yet, or it cannot be known any more.
        samples: How many of them are done.
        size_bytes: Room that it takes, downloads among it.
        is_running: Whether a process is at it now.
    """

    name: str
    beginning: Beginning | None
    samples: int
    size_bytes: int
    is_running: bool


class _Reached(msgspec.Struct):
    samples: int


class _Progress(msgspec.Struct):
    """What is told of a file whose rest concerns only who goes on."""

    reached: dict[str, _Reached] = {}
    skipped: list[msgspec.Raw] = []


def note_beginning(data_dir: Path, name: str, beginning: Beginning) -> None:
    """Note what is about to be prepared as dataset `name`; who calls holds the lock on it.

    Raises:
        OSError: it cannot be written.
    """
    folder = _work_of(data_dir, name)
    make_folder(folder)
    replace_file(folder / _BEGINNING, encode_sealed(beginning), durable=False)


def list_unfinished(data_dir: Path) -> list[Unfinished]:
    """The preparations in a data folder that have not come to their end, by name."""
    names = {
        name.removeprefix(paths.UNFINISHED_DATASET)
        for name in _folders(data_dir)
        if name.startswith(paths.UNFINISHED_DATASET)
    }
    names |= set(_folders(data_dir / paths.ORIGINALS))
    found = [_look_at(data_dir, name) for name in sorted(names)]
    # Where not one byte was had, as without a network, nothing was begun.
    return [one for one in found if one.size_bytes or one.is_running]


def find_unfinished(data_dir: Path, text: str, folder: Path) -> Unfinished | None:
    """The one that a person calls by its name or by what it is of; None where that is not one.

    Paths are looked for from `folder`.
    """
    found = list_unfinished(data_dir)
    for one in found:
        if one.name == text:
            return one
    if text not in DATASETS and not is_own(text):
        return None
    try:
        reference = settle_reference(text, folder)
    except DatasetError:
        # What is wrong with it is told by whoever looks for a whole dataset of that name.
        return None
    of_it = [one for one in found if one.beginning and one.beginning.reference == reference]
    return of_it[0] if len(of_it) == 1 else None


def remove_unfinished(
    data_dir: Path, name: str, on_wait: Callable[[], object] = lambda: None
) -> None:
    """Delete what is there of dataset `name`, once no process is at it; `on_wait` if one is.

    Raises:
        DatasetError: it cannot be deleted.
    """
    folder = _work_of(data_dir, name)
    try:
        with locked(lock_of(data_dir, name), on_wait):
            discard_leftovers(data_dir, name)
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be removed: {error.strerror or error}.", "Mend its permissions."
        ) from error
    if folder.exists():
        raise DatasetError(f"{folder} cannot be removed.", "Mend its permissions.")


def _work_of(data_dir: Path, name: str) -> Path:
    return data_dir / f"{paths.UNFINISHED_DATASET}{name}"


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        # It is not there, or may not be read: nothing is in it.
        return []


def _look_at(data_dir: Path, name: str) -> Unfinished:
    work = _work_of(data_dir, name)
    return Unfinished(
        name=name,
        beginning=_read_beginning(work),
        samples=_count_done(work),
        size_bytes=_size_of(work) + _size_of(data_dir / paths.ORIGINALS / name),
        is_running=is_locked(lock_of(data_dir, name)),
    )


def _read_beginning(work: Path) -> Beginning | None:
    try:
        content = unseal(read_plain(work / _BEGINNING, _MOST_BYTES))
        return msgspec.json.decode(content, type=Beginning)
    except _UNREADABLE:
        # It was cut off before that, or is damaged.
        return None


def _count_done(work: Path) -> int:
    try:
        content = unseal(read_plain(work / PROGRESS, _MOST_BYTES))
        progress = msgspec.json.decode(content, type=_Progress)
    except _UNREADABLE:
        # None was noted yet, or it is damaged: whoever goes on begins anew.
        return 0
    return sum(split.samples for split in progress.reached.values()) + len(progress.skipped)


def _size_of(folder: Path) -> int:
    """Bytes of the files in a folder, which may be moved or deleted meanwhile."""
    size_bytes = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                size_bytes += os.lstat(os.path.join(place, file)).st_size
            except OSError:
                # It is gone.
                continue
    return size_bytes
