"""A source by its reference: of the catalogue, of a person's own files, or several joined."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_hints import find_misnamed
from tui_trainer.core.dataset_reference import Part, parse_reference
from tui_trainer.core.suggest import nearest
from tui_trainer.data.prepare.joined import join_sources
from tui_trainer.data.prepare.source import Source, stamp_files, stamp_source
from tui_trainer.errors import DatasetError

_MOST_BESIDE = 5000

LoadItems = Callable[[str], Mapping[str, Any]]
"""Loads a user's own class by its name; instances come back by their split, or as `""`."""


@dataclass(frozen=True)
class Means:
    """What opening a source may need.

    Attributes:
        originals: A folder or an archive with the official files, where a person has them.
        downloads: Where downloaded files are put.
        load_items: Loads a user's own class, where it may run.
        say: Tells the person what takes time.
        report: Tells of a download: bytes done, bytes in all, the file.
    """

    downloads: Path
    say: Callable[[str], object]
    load_items: LoadItems
    originals: Path | None = None
    report: Callable[[int, int, str], object] | None = None


def open_source(reference: str, preparation: PreparationConfig, means: Means) -> Source:
    """The source that a settled reference names.

    Raises:
        DatasetError: it is missing, damaged, or not what can be learnt from.
    """
    parts = parse_reference(reference)
    if means.originals is not None and [part.format for part in parts] != ["catalog"]:
        raise DatasetError(
            f"{reference} is not imported from other files.",
            f"Prepare it with: tuitrain data get {reference}.",
        )
    sources = [_open_part(part, preparation, means) for part in parts]
    if len(sources) == 1:
        return sources[0]
    return join_sources(sources, preparation.test, preparation.seed)


def _open_part(part: Part, preparation: PreparationConfig, means: Means) -> Source:
    if part.format == "catalog":
        from tui_trainer.data.prepare.catalog import open_catalog

        return open_catalog(
            part.name,
            preparation,
            originals=means.originals,
            downloads=means.downloads,
            say=means.say,
            report=means.report,
        )
    if part.format == "code":
        from tui_trainer.data.prepare.arrays.item_files import read_source_files
        from tui_trainer.data.prepare.arrays.items import open_items

        code = parse_code_name(part.name)
        stamps = stamp_files(Path(code.source)) if code.is_file else {}
        instances = means.load_items(part.name)
        named = read_source_files(instances.values(), part.name)
        return open_items(
            instances,
            title=part.name,
            preparation=preparation,
            stamps=stamp_source(stamps, Path.cwd(), named),
        )
    return _open_files(part, preparation)


def _open_files(part: Part, preparation: PreparationConfig) -> Source:
    # Each is imported where it is needed: what the formats are read with takes time.
    path = Path(part.name)
    _check_path(part.format, path)
    match part.format:
        case "folder":
            from tui_trainer.data.prepare.images.folder import open_folder

            return open_folder(path, preparation)
        case "csv":
            from tui_trainer.data.prepare.tables.csv_files import open_csv

            return open_csv(path, preparation)
        case "hdf5":
            from tui_trainer.data.prepare.arrays.hdf5 import open_hdf5

            return open_hdf5(path, preparation)
        case "npz":
            from tui_trainer.data.prepare.arrays.npz import open_npz

            return open_npz(path, preparation)
        case _:
            from tui_trainer.data.prepare.texts.files import open_text

            return open_text(path, preparation)


def _check_path(form: str, path: Path) -> None:
    """Refuse what is not there, and what is plainly of another form.

    Raises:
        DatasetError: so it is.
    """
    try:
        is_folder = path.is_dir()
        # `is_dir` takes what may not be looked at for a file.
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        near = nearest(path.name, _names_beside(path))
        hint = f"Did you mean {form}:{path.parent / near}?" if near else "Check the path."
        raise DatasetError(f"There is no {path}.", hint) from error
    except OSError:
        # It is there, and whoever opens it tells why that cannot be done.
        return
    if misnamed := find_misnamed(form, str(path), is_folder=is_folder):
        raise DatasetError(*misnamed)


def _names_beside(path: Path) -> list[str]:
    """What lies in the same folder, the first of it where that is very much."""
    try:
        with os.scandir(path.parent) as entries:
            return [entry.name for entry in itertools.islice(entries, _MOST_BESIDE)]
    except OSError:
        # There is no such folder either, or it may not be listed: nothing is near.
        return []
