"""Parquet files as tables: types, gaps, row groups, and what is wrong with them."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.tables.csv_files import open_csv
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()


def write(folder: Path, columns: dict[str, Any], **settings: Any) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path, **settings)
    return path


def test_types_become_features(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "i": [1, 2, None, 4],
            "b": [True, False, True, True],
            "s": ["u", None, "v", "u"],
            "d": pyarrow.array(["p", "q", "p", "p"]).dictionary_encode(),
            "t": [datetime.date(2024, 1, 1)] * 4,
            "n": pyarrow.nulls(4),
            "label": ["x", "y", "x", "y"],
        },
    )
    source = open_csv(path, PLAIN)
    assert source.facts.features == (
        *("i", "i is missing", "b", "s=u", "s=v", "s is missing", "d=p", "d=q", "t=2024-01-01"),
    )
    assert read_all(source).inputs.tolist() == [
        [1, 0, 1, 1, 0, 0, 1, 0, 1],
        [2, 0, 0, 0, 0, 1, 0, 1, 1],
        [2, 1, 1, 0, 1, 0, 1, 0, 1],
        [4, 0, 1, 1, 0, 0, 1, 0, 1],
    ]


@pytest.mark.parametrize("group", [1000, 4096, 5000, 20_000])
def test_every_block_can_be_read_by_itself(tmp_path: Path, group: int) -> None:
    count = 10_000
    columns = {"a": np.arange(count), "label": np.arange(count) % 3}
    source = open_csv(write(tmp_path, columns, row_group_size=group), PLAIN)
    tasks = list(source.tasks())
    for order in (tasks, tasks[::-1]):
        blocks = [task() for task in order]
        for block in blocks:
            assert np.array_equal(block.inputs[:, 0], block.numbers_B)
        assert sum(len(block.numbers_B) for block in blocks) == count
    assert source.labels_N.tolist() == [n % 3 for n in range(count)]


def test_large_whole_numbers_stay_exact(tmp_path: Path) -> None:
    big = [2**60 + 1, 2**60 + 2] * 3
    path = write(tmp_path, {"a": range(6), "label": big})
    facts = open_csv(path, PreparationConfig(task="classification")).facts
    assert facts.classes == (str(2**60 + 1), str(2**60 + 2))


def test_columns_of_other_types_are_only_refused_if_used(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": [1, 2], "list": [[1], [2]], "label": ["x", "y"]})
    with pytest.raises(DatasetError, match=r"Column 'list' .* holds values of type list"):
        open_csv(path, PLAIN)
    assert open_csv(path, PreparationConfig(inputs="a")).facts.features == ("a",)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "page"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    columns = {"a": np.random.default_rng(0).normal(size=3000), "label": np.arange(3000) % 2}
    path = write(tmp_path, columns)
    content = bytearray(path.read_bytes())
    if damage == "page":
        content[4:40] = b"\xff" * 36
    path.write_bytes(
        {"cut": content[:-20], "noise": b"PAR1" * 90, "empty": b""}.get(damage, content)
    )
    with pytest.raises(DatasetError, match="damaged"):
        read_all(open_csv(path, PLAIN))


def test_row_groups_that_do_not_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.tables.parquet_table.FREE_BYTES", 1000)
    path = write(
        tmp_path, {"a": np.random.default_rng(0).normal(size=3000), "label": [0, 1] * 1500}
    )
    with pytest.raises(DatasetError, match="row groups"):
        open_csv(path, PLAIN)


def test_without_pyarrow_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, {"a": [1, 2], "label": ["x", "y"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError) as caught:
        open_csv(path, PLAIN)
    assert "pip install 'tuitrain[parquet]'" in caught.value.hint
