"""Texts from files of every layout, with their labels, splits and vocabulary."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.source import SPLITS, Source
from tui_trainer.data.prepare.texts import files as text_files
from tui_trainer.data.prepare.texts.files import open_text
from tui_trainer.data.prepare.texts.tokenizer import VOCABULARY_FILE, load_tokenizer
from tui_trainer.errors import DatasetError

_PLAIN = PreparationConfig()
_ROWS = [(f"{word} number {n}", word) for n in range(10) for word in ("good", "bad", "so-so")]


def _write_lines(file: Path, rows: Sequence[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def _write_objects(file: Path, rows: Sequence[Any] = _ROWS) -> Path:
    return _write_lines(file, [{"text": text, "label": label} for text, label in rows])


def _write_table(file: Path, rows: Sequence[Any] = _ROWS, **settings: Any) -> Path:
    header = settings.pop("header", ("text", "label"))
    with file.open("w", newline="") as opened:
        csv.writer(opened, **settings).writerows([header, *rows])
    return file


def _texts(source: Source) -> list[str]:
    """The texts of a source as its stored vocabulary reads them."""
    tokenizer = load_tokenizer(source.files[VOCABULARY_FILE])
    return [tokenizer.decode(tokens) for tokens in read_all(source).texts]


def _labels(source: Source) -> list[str]:
    return [source.facts.classes[label] for label in source.labels_N]


def _open(path: Path, **settings: Any) -> Source:
    return open_text(path, replace(_PLAIN, **settings))


def _splits(source: Source) -> dict[str, int]:
    assert source.splits_N is not None
    return {SPLITS[n]: count for n, count in sorted(Counter(source.splits_N.tolist()).items())}


def test_lines_of_json(tmp_path: Path) -> None:
    source = _open(_write_objects(tmp_path / "reviews.jsonl"))
    facts = source.facts
    assert (facts.kind, facts.task, facts.title) == ("tokens", "classification", "reviews.jsonl")
    assert facts.origin == "texts from 'text', labels from 'label'"
    assert facts.classes == ("bad", "good", "so-so")
    assert facts.shape == (512,)
    assert _labels(source) == [label for _, label in _ROWS]
    # Words of the training texts alone are known.
    assert source.splits_N is not None
    train = [n for n, split in enumerate(source.splits_N) if split == 0]
    read = _texts(source)
    words = [_ROWS[n][0].replace("so-so", "so - so") for n in train]
    assert [read[n] for n in train] == words
    assert facts.vocabulary == 2 + len({word for text in words for word in text.split()})
    assert list(source.stamps) == [str(tmp_path / "reviews.jsonl")]


def test_the_same_comes_from_every_form(tmp_path: Path) -> None:
    files = [
        _write_objects(tmp_path / "a.jsonl"),
        _write_table(tmp_path / "b.csv"),
        _write_table(tmp_path / "c.tsv", delimiter="\t"),
        _write_table(tmp_path / "d.csv", delimiter=";"),
    ]
    for file in files[:2]:
        packed = tmp_path / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        files.append(packed)
    first, *others = [_open(file) for file in files]
    assert first.splits_N is not None
    for other in others:
        assert other.facts.classes == first.facts.classes
        assert np.array_equal(other.labels_N, first.labels_N)
        assert other.splits_N is not None
        assert np.array_equal(other.splits_N, first.splits_N)
        assert read_all(other).texts == read_all(first).texts
        assert other.files == first.files


def test_parquet_is_read_where_it_can_be(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    texts, labels = zip(*_ROWS, strict=True)
    parquet.write_table(pyarrow.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    source, expected = _open(tmp_path / "a.parquet"), _open(_write_objects(tmp_path / "a.jsonl"))
    assert read_all(source).texts == read_all(expected).texts
    assert np.array_equal(source.labels_N, expected.labels_N)


def test_a_share_of_each_class_is_held_out(tmp_path: Path) -> None:
    file = _write_objects(tmp_path / "a.jsonl")
    source = _open(file, test=0.3)
    assert _splits(source) == {"train": 21, "test": 9}
    assert source.splits_N is not None
    assert np.bincount(source.labels_N[source.splits_N == 1]).tolist() == [3, 3, 3]
    again, other = _open(file, test=0.3), _open(file, test=0.3, seed=1)
    assert again.splits_N is not None and other.splits_N is not None
    assert np.array_equal(again.splits_N, source.splits_N)
    assert not np.array_equal(other.splits_N, source.splits_N)


def test_files_of_splits_are_the_splits(tmp_path: Path) -> None:
    _write_objects(tmp_path / "train.jsonl", _ROWS)
    _write_table(tmp_path / "test.csv", _ROWS[:6])
    _write_objects(tmp_path / "dev.jsonl", _ROWS[:3])
    (tmp_path / "README.md").write_text("about it")
    source = _open(tmp_path)
    assert _splits(source) == {"train": 30, "test": 6, "validation": 3}
    assert len(source.stamps) == 3


def test_without_a_test_file_the_validation_file_is_for_testing(tmp_path: Path) -> None:
    _write_objects(tmp_path / "train.jsonl")
    _write_objects(tmp_path / "valid.jsonl", _ROWS[:6])
    assert _splits(_open(tmp_path)) == {"train": 30, "test": 6}


def _write_folders(root: Path, counts: dict[str, int]) -> None:
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number}.txt").write_text(f"{folder} text {number}")


def test_folders_of_classes(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"neg": 5, "pos/some": 5, "pos/more": 2, ".hidden": 3})
    source = _open(tmp_path)
    assert source.facts.classes == ("neg", "pos")
    assert _labels(source) == ["neg"] * 5 + ["pos"] * 7
    folders, texts = ("", "neg", "pos", "pos/some", "pos/more"), 12
    assert {str(tmp_path / folder) for folder in folders} <= source.stamps.keys()
    assert len(source.stamps) == len(folders) + texts
    assert read_all(source).skipped == ()


def test_folders_of_classes_in_folders_of_splits(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train/neg": 5, "train/pos": 5, "test/neg": 2, "test/pos": 1})
    source = _open(tmp_path)
    assert _splits(source) == {"train": 10, "test": 3}
    assert _labels(source) == ["neg"] * 5 + ["pos"] * 5 + ["neg"] * 2 + ["pos"]


def test_columns_can_be_named(tmp_path: Path) -> None:
    rows = [("a title", f"body {n}", n % 2, n / 3) for n in range(20)]
    header = ("Title", "Story", "Kind", "Stars, in all")
    file = _write_table(tmp_path / "a.csv", rows, header=header)
    source = _open(file, inputs="title,Story", label="kind")
    assert all(text.startswith("a title body ") for text in _texts(source))
    stars = _open(file, inputs="Story", label='"Stars, in all"')
    assert stars.facts.task == "regression"
    assert stars.facts.targets == ("Stars, in all",)
    assert np.array_equal(stars.labels_N[:, 0], np.array([n / 3 for n in range(20)], np.float32))
    with pytest.raises(DatasetError, match="called like labels; it has 'Title', 'Story'"):
        _open(file, inputs="Story")
    with pytest.raises(DatasetError, match="has no column 'stroy'"):
        _open(file, inputs="stroy", label="Kind")


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    rows = [(1 + n % 2, f"headline {n} here", f"story {n} there") for n in range(20)]
    file = _write_table(tmp_path / "a.csv", rows[1:], header=rows[0])
    source = _open(file, inputs="2,3", label="1")
    assert source.facts.classes == ("1", "2")
    assert len(source.labels_N) == 20
    assert "headline" in _texts(source)[0]


def test_of_two_columns_the_other_one_is_meant(tmp_path: Path) -> None:
    rows = [(f"line {n}", "ab"[n % 2]) for n in range(10)]
    file = _write_table(tmp_path / "a.csv", rows, header=("verse", "label"))
    assert _open(file).facts.origin == "texts from 'verse', labels from 'label'"
    file = _write_table(tmp_path / "b.csv", rows, header=("text", "poet"))
    assert _open(file).facts.origin == "texts from 'text', labels from 'poet'"


def test_lists_are_several_labels(tmp_path: Path) -> None:
    rows = [("one", ["a", "b"]), ("two", []), ("three", ["b"]), ("four", ["c", "a", "a"])] * 3
    source = _open(_write_objects(tmp_path / "a.jsonl", rows))
    assert source.facts.task == "multilabel"
    assert source.facts.classes == ("a", "b", "c")
    expected = [[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert source.labels_N[:4].tolist() == expected
    bars = [(text, "|".join(labels)) for text, labels in rows]
    barred = _open(_write_table(tmp_path / "b.csv", bars), task="multilabel")
    assert np.array_equal(barred.labels_N, source.labels_N)


def test_columns_of_0_and_1_are_several_labels(tmp_path: Path) -> None:
    rows = [(f"comment {n}", n % 2, int(n > 4)) for n in range(10)]
    file = _write_table(tmp_path / "a.csv", rows, header=("comment_text", "rude", "late"))
    source = _open(file, label="rude,late")
    assert (source.facts.task, source.facts.classes) == ("multilabel", ("rude", "late"))
    assert source.labels_N.tolist() == [[n % 2, int(n > 4)] for n in range(10)]
    with pytest.raises(DatasetError, match="class cannot be told from the 2 columns"):
        _open(file, label="rude,late", task="classification")


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        ([10, 9, 1], "classification", ("1", "9", "10")),
        ([1.0, 2.0, 3.0], "classification", ("1", "2", "3")),
        ([True, False, True], "classification", ("false", "true")),
        (["b", " a", "b\n"], "classification", ("a", "b")),
        ([1.5, 2, 3], "regression", ()),
    ],
)
def test_what_labels_mean(tmp_path: Path, labels: list[Any], task: str, classes: Any) -> None:
    rows = [(f"text {n}", label) for n in range(4) for label in labels]
    source = _open(_write_objects(tmp_path / "a.jsonl", rows))
    assert (source.facts.task, source.facts.classes) == (task, classes)


def test_numbers_are_targets_where_it_is_said(tmp_path: Path) -> None:
    source = _open(
        _write_objects(tmp_path / "a.jsonl", [("a", 1), ("b", 2)] * 5), task="regression"
    )
    assert source.labels_N.dtype == np.float32
    assert source.labels_N[:, 0].tolist() == [1, 2] * 5
    assert _splits(source) == {"train": 8, "test": 2}


def test_long_texts_are_cut(tmp_path: Path) -> None:
    rows = [("word " * 50, "a"), ("word", "b")] * 5
    source = _open(_write_objects(tmp_path / "a.jsonl", rows), max_length=7)
    assert source.facts.shape == (7,)
    assert {len(text) for text in read_all(source).texts} == {7, 1}


def test_the_vocabulary_has_a_size(tmp_path: Path) -> None:
    rows = [(" ".join(f"w{n + k}" for k in range(10)), "ab"[n % 2]) for n in range(40)]
    source = _open(_write_objects(tmp_path / "a.jsonl", rows), vocabulary=16)
    assert source.facts.vocabulary == 16
    tokens = [token for text in read_all(source).texts for token in text]
    assert min(tokens) == 1
    assert max(tokens) == 15


def test_blocks_are_small_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _open(_write_objects(tmp_path / "a.jsonl"))
    whole = read_all(source)
    assert len(list(source.tasks())) == 1
    monkeypatch.setattr(text_files, "_BLOCK_TEXTS", 7)
    assert len(list(source.tasks())) == 5
    assert read_all(source).texts == whole.texts
    monkeypatch.setattr(text_files, "_BLOCK_CHARACTERS", 30)
    assert len(list(source.tasks())) > 10
    assert read_all(source).numbers == list(range(30))


def test_texts_that_change_while_they_are_read_are_noticed(tmp_path: Path) -> None:
    file = _write_objects(tmp_path / "a.jsonl")
    source = _open(file)
    _write_objects(file, _ROWS[:-1])
    with pytest.raises(DatasetError, match="changed while it was read"):
        read_all(source)
