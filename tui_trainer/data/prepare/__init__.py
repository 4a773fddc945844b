"""Preparing datasets: from their source to arrays in the data folder, once."""

from __future__ import annotations

from pathlib import Path

from tui_trainer.core.catalog import find_dataset
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepare.digits import read_digits
from tui_trainer.data.prepare.mnist import download_mnist, import_mnist
from tui_trainer.data.prepare.tables import read_table
from tui_trainer.data.prepared import save_prepared
from tui_trainer.errors import DatasetError


def prepare_dataset(data_dir: Path, name: str, source: Path | None = None) -> DatasetSpec:
    """Prepare a dataset of the catalogue, from the files in `source` if given.

    Raises:
        DatasetError: it is unknown, cannot be imported or downloaded, or is damaged.
    """
    entry = find_dataset(name)
    if source is not None and not entry.importable:
        raise DatasetError(
            f"{name} is not imported from files.", f"Prepare it with: tuitrain data get {name}."
        )
    if entry.kind == "table":
        arrays, origin = read_table(entry)
    elif name == "digits":
        arrays, origin = read_digits(entry)
    elif source is not None:
        arrays, origin = import_mnist(source, entry)
    else:
        arrays, origin = download_mnist(entry)
    return save_prepared(data_dir, entry, arrays, origin)
