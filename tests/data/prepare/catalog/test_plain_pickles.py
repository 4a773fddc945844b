"""Pickles: plain data are read, anything else is refused, and nothing is ever run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prepare.catalog.official_files import pickle_as_python_2
from tui_trainer.data.prepare.catalog.plain_pickles import read_plain_pickle
from tui_trainer.errors import DatasetError

_BATCH = {"data": np.arange(30, dtype=np.uint8).reshape(5, 6), "labels": [1, 2, 300, 70_000]}


_SMALL = pickle_as_python_2(_BATCH | {"labels": [1]})
# Of the standard library, where it reads texts of protocol 0.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")


def read(folder: Path, content: bytes, max_bytes: int = 1 << 20) -> Any:
    file = folder / "batch"
    file.write_bytes(content)
    return read_plain_pickle(file, max_bytes=max_bytes)


@pytest.mark.parametrize("protocol", range(4))
def test_what_python_3_wrote_is_read(tmp_path: Path, protocol: int) -> None:
    batch = _BATCH | {"names": ["a", "é"], "none": None, "more": (1.5, True, {"x": []})}
    found = read(tmp_path, pickle.dumps(batch, protocol))
    assert np.array_equal(found.pop("data"), batch.pop("data"))
    assert found == batch


def test_what_python_2_wrote_is_read(tmp_path: Path) -> None:
    batch = {"data": np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072), "labels": [7, 8]}
    content = pickle_as_python_2(batch)
    theirs = pickle.loads(content, encoding="latin1")  # noqa: S301 - of our own making
    found = read(tmp_path, content)
    assert found["labels"] == theirs["labels"]
    assert np.array_equal(found["data"], theirs["data"])


class _Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps({"data": _Runs(tmp_path / "made")}, protocol)
    with pytest.raises(DatasetError, match="not plain data"):
        read(tmp_path, content)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"}", "damaged"),
        (b"no pickle at all", "damaged"),
        (b"].", "no table of names"),
        (b"\x80\x02}q\x01.trailing", None),
        (b"r\xff\xff\xff\x7f.", "damaged"),
        (b"N" + b"r\xff\xff\xff\x7f" + b".", "no table"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "damaged"),
        (b"\x8e\x00\x00\x00\x00\x00\x01\x00\x00.", "damaged"),
        (b"]" * 100_000 + b".", "damaged"),
        (b"cbuiltins\neval\n.", "builtins eval"),
        (b"c\x1b[2Jos\nsystem\n.", "names"),
        (b"(S'ls'\nios\nsystem\n.", "has a step INST"),
        (b"P1\n.", "has a step PERSID"),
        (b"\x82\x01.", "has a step EXT1"),
        (b"}K\x01K\x02s]K\x03K\x04s.", "fills a list"),
        (b"h\x05.", "damaged"),
        (pickle.dumps({"data": np.arange(3)}, 2), "no array of bytes"),
        (pickle.dumps({"data": np.array([{}])}, 2), "no array of bytes"),
        (
            pickle_as_python_2(_BATCH | {"labels": [1]}).replace(b"M\x06\0", b"M\x07\0"),
            "not as long",
        ),
        (pickle_as_python_2(_BATCH | {"labels": [1]})[:-60], "damaged"),
    ],
    ids=range(21),
)
def test_what_is_no_plain_data_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    if words is None:
        assert read(tmp_path, content) == {}
        return
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert words in caught.value.message
    assert "\x1b" not in caught.value.message


def test_a_file_that_is_too_large_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="larger than any"):
        read(tmp_path, b"}." + bytes(100), max_bytes=50)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_plain_pickle(tmp_path / "none", max_bytes=50)


def test_steps_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.catalog.plain_pickles._MOST_STEPS", 1000)
    with pytest.raises(DatasetError, match="more steps"):
        read(tmp_path, b"]" * 2000 + b".")


@given(st.binary(max_size=300), st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_error_or_plain_data(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    whole = pickle.dumps(_BATCH, 2)
    content = whole[:place] + noise + whole[place + len(noise) :]
    try:
        found = read(tmp_path_factory.mktemp("pickle"), content)
    except DatasetError:
        return
    assert type(found) is dict
