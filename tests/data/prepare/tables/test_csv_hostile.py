"""Tables that are broken or meant to harm are refused, or their rows set aside, with reasons."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.tables import csv_table, label_meaning
from tui_trainer.data.prepare.tables.csv_files import open_csv
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()
_GOOD = b"a,b,label\n1,2,x\n3,4,y\n5,6,x\n"

# What stands in the file, and what is said of it.
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank-lines": (b"\n\n \n", "is empty"),
    "header-only": (b"a,b,label\n", "no row that can be read"),
    "one-column": (b"a\n1\n2\n", "has one column only"),
    "zero-bytes": (b"a,b,label\n1,\x00,x\n", "zero bytes"),
    "zero-byte-late": (_GOOD + b"1,2,x\n" * 40_000 + b"1,\x00,x\n", "row 40005: it holds a zero"),
    "latin-1": (b"a,b,label\n1,2,x\n3,4,caf\xe9\n", "byte 24, in row 3, cannot be read"),
    "latin-1-late": (_GOOD + b"1,2,x\n" * 9000 + b"1,2,\xff\n", "in row 9005"),
    "torn-utf-16": ("a,label\n1,x\n2,y\n".encode("utf-16") + b"\x00", "is not UTF-16"),
    "lone-surrogate": (b"a,label\n1,\xed\xa0\x80\n2,y\n", "is not UTF-8"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 100, "zero bytes"),
    "open-quote": (b'a,b,label\n1,2,x\n3,"4,y\n5,6,x\n7,8,y\n', "row 3: a quotation mark"),
    "open-quote-long": (
        b'a,b,label\n1,2,x\n3,"4,y\n' + b"5,6,x\n" * 30_000,
        "row 3: a quotation mark",
    ),
    "one-class": (b"a,label\n1,x\n2,x\n", "only one class: x"),
    "all-labels-missing": (b"a,label\n1,\n2,NA\n3,?\n", "Not one usable sample has a label"),
    "all-inputs-missing": (b"a,label\n,x\n,y\n", "Every value of every input is missing"),
    "duplicate-names": (b"a,a,label\n1,2,x\n3,4,y\n", "Two columns of"),
    "unnamed-column": (b"a,,label\n1,2,x\n3,4,y\n", "Column 2 of"),
    "label-twice": (b"a,label,label\n1,x,x\n3,y,y\n", "are called 'label'"),
    "long-label": (b"a,label\n1,x\n2," + b"z" * 5000 + b"\n", "5000 characters long"),
    "free-text-inputs": (
        b"t,label\n" + b"".join(b"word%d,x\nother%d,y\n" % (n, n) for n in range(60)),
        "more than 64 different values",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_all(open_csv(path, PLAIN))
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable()


# Rows between good ones, the number of the row that is set aside, and why.
SET_ASIDE: dict[str, tuple[bytes, str]] = {
    "too-few-fields": (b"1,2\n", "it has 2 fields, not 3"),
    "too-many-fields": (b"1,2,x,4\n", "it has 4 fields, not 3"),
    "quote-in-field": (b'1,"2"3,x\n', "it cannot be taken apart"),
    "text-for-number": (b"1,two,x\n", "'two' in column 'b' is no number"),
    "formula": (b"1,=1+cmd|' /C calc'!A0,x\n", "in column 'b' is no number"),
    "infinite": (b"1,-Infinity,x\n", "'-Infinity' in column 'b' is no number"),
    "too-large": (b"1,1e300,x\n", "in column 'b' is no number"),
    "underscores": (b"1,1_000,x\n", "'1_000' in column 'b' is no number"),
    "escape-sequence": (b"1,\x1b[31m\x07red,x\n", "'red' in column 'b'"),
    "missing-label": (b"1,2,\n", "it has no label"),
    "nan-label": (b"1,2,NaN\n", "it has no label"),
    "huge-field": (b"1,2," + b"z" * 200_000 + b"\n", "it cannot be taken apart"),
    "lone-carriage-return": (b"1,2\r3,x\n", "it cannot be taken apart"),
}


@pytest.mark.parametrize("case", SET_ASIDE)
def test_what_cannot_be_read_of_a_table_is_set_aside(tmp_path: Path, case: str) -> None:
    row, words = SET_ASIDE[case]
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD + b"7,8,y\n" * 200 + row + b"9,9,x\n")
    source = open_csv(path, PLAIN)
    read = read_all(source)
    assert list(read.reasons) == ["row 205"]
    assert words in read.reasons["row 205"]
    assert read.reasons["row 205"].isprintable()
    assert read.inputs[-1].tolist() == [9, 9]
    assert len(read.numbers) == len(source.labels_N) == 204


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\n\na,label\n\n1,x\n   \n2,y\n\n\n")
    read = read_all(open_csv(path, PLAIN))
    assert read.inputs.tolist() == [[1], [2]]
    assert not read.skipped


def test_names_are_kept_safe_and_different(tmp_path: Path) -> None:
    long = "n" * 4000
    text = f"a\x1b[2J,a,{long}1,{long}2,label\n1,2,3,4,\u202ex\n5,6,7,8,x\n1,2,3,4,=1+1\n"
    path = tmp_path / "table.csv"
    path.write_text(text)
    facts = open_csv(path, PLAIN).facts
    assert facts.features[:2] == ("a", "a (2)")
    assert len(set(facts.features)) == 4
    assert max(map(len, facts.features)) < 300
    assert facts.classes == ("=1+1", "x", "x (2)")


def test_a_row_without_end_takes_no_memory(tmp_path: Path) -> None:
    """A field of 100 MB, in a process that may not take so much."""
    path = tmp_path / "table.csv"
    with open(path, "wb") as file:
        file.write(_GOOD)
        file.truncate(len(_GOOD) + 1)
        for _ in range(100):
            file.write(b"z" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError, match="longer than 16 MiB"):
        open_csv(path, PLAIN)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_a_first_row_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a" * (6 << 20))
    with pytest.raises(DatasetError, match="has no rows"):
        open_csv(path, PLAIN)


def test_a_record_of_many_lines_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "MAX_RECORD_BYTES", 10_000)
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD + b'1,"2\n' + b'","\n' * 10_000)
    with pytest.raises(DatasetError, match="a row is longer"):
        open_csv(path, PLAIN)


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.tables.plain_stream.FREE_BYTES", 1 << 20)
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(_GOOD + b"1,2,x\n" * 2_000_000))
    with pytest.raises(DatasetError, match="more than 200 times as large"):
        open_csv(path, PLAIN)


def test_a_bomb_of_zeros_ends_at_the_first(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"\0" * (64 << 20)))
    with pytest.raises(DatasetError, match=r"has no rows|zero bytes"):
        open_csv(path, PLAIN)


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-9], lambda packed: packed[:40] + b"xx" + packed[42:], lambda _: _GOOD],
    ids=["cut", "changed", "not-packed"],
)
def test_damaged_gzip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(damage(gzip.compress(_GOOD + os.urandom(300).hex().encode())))
    with pytest.raises(DatasetError, match="is damaged"):
        open_csv(path, PLAIN)


def test_a_pipe_or_a_device_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "table.csv")
    for path in (tmp_path / "table.csv", Path("/dev/zero")):
        with pytest.raises(DatasetError, match="Not a regular file"):
            open_csv(path, PLAIN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        open_csv(tmp_path / "none.csv", PLAIN)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD)
    path.chmod(0)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tui_trainer.data.prepare.tables.plain_stream import open_stream\n"
        "from tui_trainer.errors import DatasetError\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: open_stream(Path(sys.argv[1]))\n"
        "except DatasetError as error: print(error.message)\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "cannot be read" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "no tables called train and test"),
        (("train.csv",), "no tables called train and test"),
        (("train.csv", "test.csv", "train.tsv"), "two files for the split train"),
    ],
)
def test_a_folder_without_its_tables_is_refused(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(_GOOD)
    with pytest.raises(DatasetError, match=words):
        open_csv(tmp_path, PLAIN)


def test_tables_of_a_folder_have_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(_GOOD)
    (tmp_path / "test.csv").write_bytes(_GOOD.replace(b"b", b"c"))
    with pytest.raises(DatasetError, match="other columns than"):
        open_csv(tmp_path, PLAIN)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(_GOOD)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_bytes(_GOOD)
    (folder / "test.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(DatasetError, match="leads out of its folder"):
        open_csv(folder, PLAIN)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inputs": "c"}, "no column 'c'"),
        ({"label": "lable"}, "no column 'lable'"),
        ({"inputs": "a,a"}, "names a column twice"),
        ({"inputs": "a", "label": "a"}, "both an input and the label"),
        ({"label": "a,b,label"}, "no column to learn from"),
        ({"label": "a,label"}, "labels in 'label' are no numbers"),
        ({"label": "a,b", "task": "classification"}, "one column of labels"),
        ({"label": "a,b", "inputs": "label", "task": "multilabel"}, "not only 0 and 1"),
    ],
)
def test_columns_that_do_not_fit_are_named(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD)
    with pytest.raises(DatasetError, match=words):
        open_csv(path, PreparationConfig(**settings))


def test_a_table_without_labels_is_not_listed_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_meaning, "MAX_SKIPPED", 100)
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD + b"1,2\n" * 200)
    with pytest.raises(DatasetError, match="samples cannot be used"):
        open_csv(path, PLAIN)


def test_a_table_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(_GOOD)
    source = open_csv(path, PLAIN)
    path.write_bytes(_GOOD.replace(b"3,4", b"3,z"))
    with pytest.raises(DatasetError, match="was changed while"):
        read_all(source)
