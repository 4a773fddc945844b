"""The datasets that tuitrain knows by name, as sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tui_trainer.core.catalog import DatasetEntry, find_dataset
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.source import Source
from tui_trainer.errors import DatasetError


def open_catalog(
    name: str,
    preparation: PreparationConfig,
    *,
    originals: Path | None,
    downloads: Path,
    say: Callable[[str], object],
    report: Callable[[int, int, str], object] | None = None,
) -> Source:
    """A dataset of the catalogue, from what is installed, given, or else downloaded.

    Args:
        originals: A folder or an archive with the official files; nothing is written there.
        downloads: Where files are downloaded and unpacked to. What lies there is used again; it
            can be removed once the dataset is prepared.
        report: Tells of a download: bytes done, bytes in all, the file.

    Raises:
        DatasetError: there is no such dataset, it cannot be had, or is damaged, or it cannot be
            prepared in the way that is asked for.
    """
    entry = find_dataset(name)
    _check_preparation(entry, preparation)
    if originals is not None and not entry.importable:
        raise DatasetError(
            f"{name} is not imported from files.", f"Prepare it with: tuitrain data get {name}."
        )
    # Each import takes time that the others need not wait for.
    if entry.kind == "table" or name == "digits":
        from tui_trainer.data.prepare.catalog.installed import open_installed

        return open_installed(entry, preparation)
    if name == "fake":
        from tui_trainer.data.prepare.catalog.synthetic import open_synthetic

        return open_synthetic(entry, preparation)
    from tui_trainer.data.prepare.catalog.original_sets import open_originals

    return open_originals(
        entry, preparation, originals=originals, downloads=downloads, say=say, report=report
    )


def _check_preparation(entry: DatasetEntry, preparation: PreparationConfig) -> None:
    remedy = f"Leave it out; or see what {entry.name} is with: tuitrain data info {entry.name}."
    if preparation.inputs or preparation.label:
        raise DatasetError(
            f"What of {entry.name} is learnt cannot be chosen by --inputs or --label.", remedy
        )
    if preparation.task not in ("auto", entry.task):
        raise DatasetError(f"{entry.name} is for {entry.task}, not for {preparation.task}.", remedy)
    if entry.kind != "image" and (preparation.size or preparation.color != "auto"):
        raise DatasetError(
            f"{entry.name} has no images that --size or --color could be for.", remedy
        )
