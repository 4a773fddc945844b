"""The datasets that are read from the files of their authors, given or downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog.idx_sets import open_idx, want_idx
from tui_trainer.data.prepare.catalog.originals import Originals, Wanted, find_originals
from tui_trainer.data.prepare.source import Source

Opener = Callable[[DatasetEntry, Originals, PreparationConfig], Source]
Report = Callable[[int, int, str], object]

_ARRAY_FILES = ("cifar10", "cifar100", "svhn", "usps", "stl10")
_IMAGE_SETS = ("caltech101", "oxford-pets", "flowers102", "food101", "imagenet")


def open_originals(
    entry: DatasetEntry,
    preparation: PreparationConfig,
    *,
    originals: Path | None,
    downloads: Path,
    say: Callable[[str], object],
    report: Report | None,
) -> Source:
    """A dataset from its official files: those in `originals`, else they are downloaded.

    Raises:
        DatasetError: they cannot be had, or are damaged.
    """
    wanted, opener = _reading_of(entry)
    # Several datasets may be prepared at once, some of whose files have the same names.
    scratch = downloads / entry.name
    given = originals
    if given is None:
        from tui_trainer.data.prepare.catalog.fetching import fetch_originals

        given = fetch_originals(entry, scratch, say, report)
    found = find_originals(
        entry, wanted, given, scratch=scratch, say=say, is_download=originals is None
    )
    return opener(entry, found, preparation)


def _reading_of(entry: DatasetEntry) -> tuple[Wanted, Opener]:
    """What a dataset is read from, and what reads it."""
    # Each import takes time that the others need not wait for.
    if entry.name in _ARRAY_FILES:
        from tui_trainer.data.prepare.catalog.array_files import ARRAY_FILES, open_array_files

        return ARRAY_FILES[entry.name], open_array_files
    if entry.name in _IMAGE_SETS:
        from tui_trainer.data.prepare.catalog.image_sets import IMAGE_SETS, open_image_set

        return IMAGE_SETS[entry.name], open_image_set
    return want_idx(entry), open_idx
