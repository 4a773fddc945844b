"""Texts that are hostile or broken: each is set aside with a reason, or refused as a whole."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import Source
from tui_trainer.data.prepare.tables import plain_stream
from tui_trainer.data.prepare.texts import files as text_files
from tui_trainer.data.prepare.texts import records as text_records
from tui_trainer.data.prepare.texts.files import open_text
from tui_trainer.data.prepare.texts.tokenizer import VOCABULARY_FILE, load_tokenizer
from tui_trainer.errors import DatasetError

_GOOD = [f'{{"text": "number {n}", "label": "{"ab"[n % 2]}"}}'.encode() for n in range(10)]


def _open(path: Path, **settings: Any) -> Source:
    return open_text(path, replace(PreparationConfig(), **settings))


def _write(file: Path, *lines: bytes) -> Path:
    file.write_bytes(b"\n".join((*lines, *_GOOD)))
    return file


def _reason(tmp_path: Path, line: bytes) -> str:
    """Why the second line of a file of JSON is set aside; the others are read."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join((_GOOD[0], line, *_GOOD)))
    read = read_all(_open(file))
    assert len(read.numbers) == 11
    (skipped,) = read.skipped
    assert skipped.name == "line 2"
    assert sanitize(skipped.reason) == skipped.reason
    return skipped.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "caf\xe9", "label": "a"}', "it is not UTF-8 at byte 14"),
        (b"\x00\x00\x00", "it is no JSON: Expecting value, at character 1"),
        (b'{"text": "cut off', "it is no JSON: Unterminated string starting at, at character 10"),
        (b'"a text by itself"', "it is no JSON object"),
        (b"[1, 2, 3]", "it is no JSON object"),
        (b"17", "it is no JSON object"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b'{"text": "x", "label": ' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"text": "x"}', "it has no 'label'"),
        (b'{"label": "a"}', "it has no 'text'"),
        (b'{"text": 7, "label": "a"}', "its 'text' is no text"),
        (b'{"text": null, "label": "a"}', "its 'text' is no text"),
        (b'{"text": ["x"], "label": "a"}', "its 'text' is no text"),
        (b'{"text": "x", "label": {"a": 1}}', "its 'label' is neither text nor number"),
        (b'{"text": "x", "label": [["a"]]}', "its 'label' is neither text nor number"),
        (b'{"text": "x", "label": ["a", "b"]}', "it has several labels"),
        (b'{"text": "x", "label": []}', "it has no label"),
        (b'{"text": "x", "label": null}', "it has no label"),
        (b'{"text": "x", "label": "  "}', "it has no label"),
        (b'{"text": "x", "label": "\\u202e\\u200b"}', "it has no label"),
        (b'{"text": "x", "label": NaN}', "NaN is no JSON"),
        (b'{"text": "x", "label": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"text": "x", "label": "a", "text": "y"}', "a key is there twice"),
        (b'{"text": "", "label": "a"}', "its text is empty"),
        (b'{"text": " \\n\\t\\u00a0", "label": "a"}', "its text is empty"),
        (b'{"text": "\\u0000\\u200b\\u202e\\ud800", "label": "a"}', "its text is empty"),
        (
            b'{"text": "x", "label": "' + b"y" * 4000 + b'"}',
            "its label is longer than 200 characters",
        ),
        (b'{"text": "x", "\x1b[31mlabel": "a"}', "it is no JSON: Invalid control character"),
    ],
)
def test_a_line_that_is_no_sample_is_set_aside(tmp_path: Path, line: bytes, reason: str) -> None:
    assert reason in _reason(tmp_path, line)


def test_what_no_terminal_should_see_is_not_in_names(tmp_path: Path) -> None:
    lines = [
        b'{"text": "x \\ud800 y", "label": "a\\u202e\\u001b[2J"}',
        b'{"text": "\\u0007z\\u0000", "label": "\\ud800c"}',
    ]
    source = _open(_write(tmp_path / "a\x1b[2J\u202e.jsonl", *lines))
    assert source.facts.classes == ("a", "b", "c")
    assert source.facts.title == "a.jsonl"
    assert source.labels_N[:2].tolist() == [0, 2]
    tokenizer = load_tokenizer(source.files[VOCABULARY_FILE])
    assert all(sanitize(word) == word for word in tokenizer.words)
    assert [len(text) for text in read_all(source).texts[:2]] == [2, 1]


def test_a_line_that_is_too_long_is_passed_over_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_records, "MAX_TEXT_BYTES", 100)
    line = b'{"text": "' + b"x " * 5000 + b'", "label": "a"}'
    file = _write(tmp_path / "a.jsonl", line, _GOOD[0], line)
    read = read_all(_open(file))
    assert len(read.numbers) == 11
    assert sorted(read.reasons) == ["line 1", "line 3"]
    file.write_bytes(b"\n".join([*_GOOD, line]))
    assert len(read_all(_open(file)).skipped) == 1


_LARGE = """
import resource, sys
from pathlib import Path
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.texts.files import open_text

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_text(Path(sys.argv[1]), PreparationConfig())
print(len(source.labels_N), source.skipped[0].reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_line_of_200_megabytes_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    with file.open("wb") as opened:
        opened.write(_GOOD[0] + b"\n")
        # A hole, that takes no room on the disk.
        opened.seek(200 << 20, os.SEEK_CUR)
        opened.write(b"\n" + b"\n".join(_GOOD))
    command = [sys.executable, "-c", _LARGE, str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found, grown_mib = said.splitlines()
    assert found == "11 it is longer than 4 MiB"
    assert int(grown_mib) < 64


def test_a_packed_file_that_grows_beyond_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_stream, "FREE_BYTES", 1 << 20)
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(_GOOD[0] + b"\n" + bytes(8 << 20)))
    with pytest.raises(DatasetError, match="more than 200 times as large"):
        _open(file)


@pytest.mark.parametrize("damage", ["cut", "changed", "no gzip"])
def test_a_packed_file_that_is_damaged_is_refused(tmp_path: Path, damage: str) -> None:
    packed = gzip.compress(b"\n".join(_GOOD * 200))
    if damage == "cut":
        packed = packed[:-20]
    elif damage == "changed":
        packed = packed[:-8] + bytes(8)
    else:
        packed = b"no gzip at all"
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    with pytest.raises(DatasetError, match="is damaged"):
        _open(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no JSON object on a line; it is empty"),
        (b"\n\n \n", "holds no JSON object on a line; it is empty"),
        (b"no JSON\nat all\n", "line 2: it is no JSON"),
        (b'[{"text": "a", "label": "b"}]', "holds lists"),
        ('{"text": "a", "label": "b"}'.encode("utf-16"), "is written in UTF-16"),
        (b'{"verse": "a", "poet": "b", "year": 1}', "no column that is called like texts"),
        (b'{"text": "", "label": "a"}', "no text that can be used; line 1: its text is empty"),
        (b'{"text": "a", "label": "b"}\n{"text": "c", "label": "b"}', "are of one class: 'b'"),
        (b'{"text": "a", "label": []}\n{"text": "b", "label": []}', "No text has a label"),
    ],
)
def test_a_file_of_which_nothing_can_be_learnt_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DatasetError, match=reason) as caught:
        _open(tmp_path / "a.jsonl")
    assert caught.value.hint


def test_rows_of_a_ragged_table_are_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"number {n},{'ab'[n % 2]}" for n in range(20)]
    rows[3], rows[7] = "one, two, three", "nothing,"
    file.write_text("\n".join(["text,label", *rows]))
    read = read_all(_open(file))
    assert read.reasons == {"row 5": "it has 3 fields, not 2", "row 9": "it has no label"}
    assert len(read.numbers) == 18


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"text,label\n", "no text that can be used"),
        (b"text,label\n" + b"caf\xe9,a\n" * 5, "is not UTF-8"),
        (b"text,label\n" + b"a\x00b,a\n" * 5, "zero byte"),
        (b"text,label\n" + b"a,x\n" * 5, "are of one class"),
        (b"text,text,label\n" + b"a,b,c\nd,e,f\n" * 5, "'text' is there twice"),
        (b'text,label\na,b\n"never closed,b\n' + b"c,d\n" * 5, "quotation mark"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=reason):
        _open(tmp_path / "a.csv")


def test_too_many_different_labels_are_refused(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "x", "label": f"id{n}"}) for n in range(10_001)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DatasetError, match="more than 10000 different labels"):
        _open(tmp_path / "a.jsonl")


def test_too_much_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_MOST_SKIPPED", 100)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([_GOOD[0], *[b"rubbish"] * 101]))
    with pytest.raises(DatasetError, match="more than 100 texts that cannot be read: line 102"):
        _open(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
@pytest.mark.parametrize("kind", ["pipe", "missing", "folder of nothing", "other"])
def test_a_path_that_is_no_file_of_texts_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder of nothing":
        path.mkdir()
    elif kind == "other":
        path = tmp_path / "a.pdf"
        path.write_bytes(b"%PDF")
    started_s = time.monotonic()
    with pytest.raises(DatasetError) as caught:
        _open(path)
    assert caught.value.hint
    assert time.monotonic() - started_s < 5


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever runs the tests may be allowed to read everything.
    def refuse(path: Path, *most: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    file = _write(tmp_path / "a.jsonl")
    folder = tmp_path / "texts"
    folder.mkdir()
    _write_classes(folder)
    monkeypatch.setattr(plain_stream, "open_plain", refuse)
    with pytest.raises(DatasetError, match=r"a\.jsonl cannot be read: Permission denied"):
        _open(file)
    monkeypatch.setattr(text_records, "read_plain", refuse)
    with pytest.raises(DatasetError, match=r"a/0\.txt: it cannot be opened: Permission denied"):
        _open(folder)


def _write_classes(root: Path) -> None:
    for name in "ab":
        (root / name).mkdir()
        for number in range(5):
            (root / name / f"{number}.txt").write_text(f"{name} {number}")


def test_what_is_no_text_in_folders_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    _write_classes(root)
    monkeypatch.setattr(text_records, "MAX_TEXT_BYTES", 1000)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "a" / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "a" / "in.txt").symlink_to("0.txt")
    (root / "a" / "gone.txt").symlink_to("nowhere")
    (root / "a" / "up").symlink_to(tmp_path)
    os.mkfifo(root / "a" / "pipe.txt")
    (root / "a" / "empty.txt").write_bytes(b"")
    (root / "a" / "latin.txt").write_bytes(b"caf\xe9")
    (root / "a" / "large.txt").write_bytes(b"x" * 1001)
    (root / "a" / "picture.png").write_bytes(b"\x89PNG")
    (root / "a" / os.fsdecode(b"\xff\x1b[2J.txt")).write_text("a strange name")
    read = read_all(_open(root))
    assert len(read.numbers) == 12
    assert read.reasons == {
        "a/empty.txt": "its text is empty",
        "a/gone.txt": "it cannot be opened: No such file or directory",
        "a/large.txt": "it is longer than 4 MiB",
        "a/latin.txt": "it is not UTF-8 at byte 4",
        "a/out.txt": "it leads out of the folder",
        "a/picture.png": "it is no .txt file",
        "a/pipe.txt": "it is not a regular file",
        "a/up": "it is no .txt file",
    }


def test_a_class_without_texts_is_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path)
    (tmp_path / "c").mkdir()
    with pytest.raises(DatasetError, match=r"class 'c' of .* has no \.txt file"):
        _open(tmp_path)


def test_folders_that_are_shown_alike_are_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path)
    (tmp_path / "a\u200b").mkdir()
    (tmp_path / "a\u200b" / "1.txt").write_text("one")
    with pytest.raises(DatasetError, match="shown alike: 'a'"):
        _open(tmp_path)


@pytest.mark.parametrize("kind", ["two files", "a link that leads out", "other columns"])
def test_files_of_splits_that_do_not_fit_are_refused(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    _write(root / "train.jsonl")
    if kind == "two files":
        _write(root / "train.ndjson")
    elif kind == "a link that leads out":
        (root / "test.jsonl").symlink_to(_write(tmp_path / "test.jsonl"))
    else:
        (root / "test.csv").write_text("text,topic\na,b\nc,d\n")
    reason = {"two files": "two files of the train split", "other columns": "different columns"}
    with pytest.raises(DatasetError, match=reason.get(kind, "leads out of the folder")):
        _open(root)
