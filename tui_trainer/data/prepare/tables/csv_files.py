"""Sources from tables in files: CSV, TSV, gzipped or not, and Parquet."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.images.table import find_image_column, open_image_table
from tui_trainer.data.prepare.source import ReadySource, stamp_splits
from tui_trainer.data.prepare.tables.chunks import Table
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.data.prepare.tables.csv_table import CsvTable
from tui_trainer.data.prepare.tables.parquet_table import ParquetTable
from tui_trainer.data.prepare.tables.plain_stream import tell_unreadable
from tui_trainer.data.prepare.tables.roles import KNOWN_NAMES, choose_roles
from tui_trainer.data.prepare.tables.table_source import open_features
from tui_trainer.errors import DatasetError
from tui_trainer.store.source_stamps import Stamp

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
_SPLIT_STEMS = {
    "train": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}


def open_csv(path: Path, preparation: PreparationConfig) -> ReadySource:
    """The rows of a table, or the images that they name.

    A folder holds a file for each split, such as `train.csv` and `test.csv`. Numbers are features
    as they are; a text is a feature for each of its values. A missing number is replaced by the
    column's median, and a further feature says so.

    Raises:
        DatasetError: it cannot be read, or nothing can be learnt from it.
    """
    missing, tables = dict[str, Stamp](), _open_tables(path)
    if "" not in tables:
        missing = stamp_splits(path, _SPLIT_STEMS, tables, ENDINGS)
    first = next(iter(tables.values()))
    for table in tables.values():
        if table.names != first.names:
            raise DatasetError(
                f"{table.path} has other columns than {first.path}.",
                "Give both the same columns in the same order.",
            )
    roles = choose_roles(first.names, first.has_header, preparation, str(first.path))
    title = sanitize(path.name.split(".")[0] or path.name, limit=200)
    image_column = find_image_column(first, roles)
    if image_column is None:
        source = open_features(tables, roles, title, preparation)
    else:
        source = open_image_table(tables, roles, image_column, title, preparation)
    return replace(source, stamps={**source.stamps, **missing})


def _open_tables(path: Path) -> Mapping[str, Table]:
    """The tables by split; a table that stands for all has the split `""`."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        files = sorted(path.iterdir()) if is_folder else []
    except OSError as error:
        raise tell_unreadable(path, error) from error
    if not is_folder:
        return {"": _open_table(path)}
    found: dict[str, Path] = {}
    for file in files:
        ending = _ending_of(file)
        split = _SPLIT_STEMS.get(file.name.lower().removesuffix(ending)) if ending else None
        if split is None:
            continue
        if split in found:
            raise DatasetError(
                f"{path} holds two files for the split {split}: {show(found[split].name)} and "
                f"{show(file.name)}.",
                "Leave one.",
            )
        if file.is_symlink() and not file.resolve().is_relative_to(path.resolve()):
            raise DatasetError(f"{file} leads out of its folder.", "Put the file itself there.")
        found[split] = file
    if not {"train", "test"} <= found.keys():
        raise DatasetError(
            f"{path} holds no tables called train and test.",
            f"Name one file of rows, or call them so, ending in one of {', '.join(ENDINGS)}.",
        )
    return {
        split: _open_table(found[split])
        for split in ("train", "test", "validation")
        if split in found
    }


def _open_table(path: Path) -> Table:
    return ParquetTable(path) if _ending_of(path) == ".parquet" else CsvTable(path, KNOWN_NAMES)


def _ending_of(path: Path) -> str:
    name = path.name.lower()
    return next((ending for ending in ENDINGS if name.endswith(ending)), "")
