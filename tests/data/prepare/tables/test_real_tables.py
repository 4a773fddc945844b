"""Real tables come back bit for bit, whatever file they were in."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn import datasets

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.arrays.hdf5 import open_hdf5
from tui_trainer.data.prepare.arrays.npz import open_npz
from tui_trainer.data.prepare.source import Source
from tui_trainer.data.prepare.tables.csv_files import open_csv

PLAIN = PreparationConfig()


def _as_csv(bunch: Any, folder: Path) -> Source:
    path = folder / "t.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*bunch.feature_names, "target"])
        writer.writerows([*row, y] for row, y in zip(bunch.data, bunch.target, strict=True))
    return open_csv(path, PLAIN)


def _as_parquet(bunch: Any, folder: Path) -> Source:
    import pyarrow
    from pyarrow import parquet

    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    table = pyarrow.table({**columns, "target": bunch.target})
    parquet.write_table(table, folder / "t.parquet", row_group_size=64)
    return open_csv(folder / "t.parquet", PLAIN)


def _as_hdf5(bunch: Any, folder: Path) -> Source:
    with h5py.File(folder / "t.h5", "w") as file:
        file.create_dataset("x", data=bunch.data, compression="gzip", chunks=(50, 2))
        file["y"] = bunch.target
    return open_hdf5(folder / "t.h5", PLAIN)


def _as_npz(bunch: Any, folder: Path) -> Source:
    np.savez_compressed(folder / "t.npz", x=bunch.data, y=bunch.target)
    return open_npz(folder / "t.npz", PLAIN)


@pytest.mark.parametrize("write", [_as_csv, _as_parquet, _as_hdf5, _as_npz])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_a_real_table_comes_back(
    tmp_path: Path, name: str, write: Callable[[Any, Path], Source]
) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    source = write(bunch, tmp_path)
    read = read_all(source)
    assert np.array_equal(read.inputs, bunch.data.astype(np.float32))
    if name == "diabetes":
        assert source.facts.task == "regression"
        assert np.array_equal(read.labels[:, 0], bunch.target.astype(np.float32))
    else:
        assert source.facts.classes == tuple(map(str, range(len(bunch.target_names))))
        assert np.array_equal(read.labels, bunch.target)
    assert not read.skipped
