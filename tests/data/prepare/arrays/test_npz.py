"""NumPy's files: read slice by slice, never unpickled, refused when they say what is not so."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.arrays.npz import open_npz
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()
_Y = np.arange(6) % 2
_X = np.arange(12.0).reshape(6, 2)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


def pack(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "t.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", ">u8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_type_and_order_are_read(
    tmp_path: Path, method: int, dtype: str, order: Any
) -> None:
    x = np.asarray(np.arange(40_000).reshape(10_000, 4), dtype, order=order)
    y = np.arange(10_000, dtype=">i4") % 7
    source = open_npz(pack(tmp_path, {"x": npy(x), "y": npy(y)}, method), PLAIN)
    read = read_all(source)
    assert np.array_equal(read.inputs, x.astype(np.float32))
    assert np.array_equal(read.labels, y)
    for task in reversed(list(source.tasks())):
        block = task()
        assert np.array_equal(block.inputs, x[block.numbers_B].astype(np.float32))


def test_images_of_whole_numbers_are_bytes_if_they_fit(tmp_path: Path) -> None:
    images = np.arange(6 * 9).reshape(6, 3, 3)
    source = open_npz(pack(tmp_path, {"images": npy(images), "labels": npy(_Y)}), PLAIN)
    assert np.array_equal(read_all(source).inputs[:, 0], images)
    with pytest.raises(DatasetError, match="go from 0 to 530"):
        open_npz(pack(tmp_path, {"images": npy(images * 10), "labels": npy(_Y)}), PLAIN)


def test_a_column_of_labels_is_one_label(tmp_path: Path) -> None:
    source = open_npz(pack(tmp_path, {"x": npy(_X), "y": npy(_Y[:, None])}), PLAIN)
    assert source.facts.task == "classification"
    assert read_all(source).labels.tolist() == _Y.tolist()


def test_texts_are_classes_as_they_are(tmp_path: Path) -> None:
    y = np.array(["NA", "bee", "NA", "ü", "bee", "ü"])
    source = open_npz(pack(tmp_path, {"x": npy(_X), "y": npy(y)}), PLAIN)
    assert source.facts.classes == ("NA", "bee", "ü")
    source = open_npz(pack(tmp_path, {"x": npy(_X), "y": npy(np.char.encode(y, "utf-8"))}), PLAIN)
    assert source.facts.classes == ("NA", "bee", "ü")


def test_arrays_are_named_by_the_settings(tmp_path: Path) -> None:
    path = pack(tmp_path, {"a": npy(_X), "b": npy(_Y), "c": npy(_Y)})
    source = open_npz(path, PreparationConfig(inputs="a", label="c"))
    assert read_all(source).inputs.tolist() == _X.tolist()


def test_splits_with_validation(tmp_path: Path) -> None:
    names = ("train", "val", "test")
    arrays = {f"{n}_images": npy(np.full((2, 4, 4), i, np.uint8)) for i, n in enumerate(names)}
    arrays |= {f"{n}_labels": npy(np.array([[0], [1]], np.uint8)) for n in names}
    source = open_npz(pack(tmp_path, arrays), PLAIN)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 1, 1, 2, 2]
    assert [int(image.max()) for image in read_all(source).inputs] == [0, 0, 2, 2, 1, 1]


def test_files_side_by_side(tmp_path: Path) -> None:
    for name, array in (("x", _X), ("y", _Y)):
        np.save(tmp_path / f"{name}.npy", array)
    for path in (tmp_path, tmp_path / "x.npy"):
        read = read_all(open_npz(path, PLAIN))
        assert read.inputs.tolist() == _X.tolist()
        assert read.labels.tolist() == _Y.tolist()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    objects = np.array([Bomb()] * 6, dtype=object)
    for content in (npy(objects), pickle.dumps(Bomb())):
        with pytest.raises(DatasetError, match=r"Python objects|damaged"):
            open_npz(pack(tmp_path, {"x": content, "y": npy(_Y)}), PLAIN)
        with pytest.raises(DatasetError, match=r"Python objects|damaged"):
            open_npz(pack(tmp_path, {"x": npy(_X), "y": content}), PLAIN)
    assert not (tmp_path / "exploded").exists()


_SHAPE = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }\n"
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "damaged"),
    "no-magic": (b"x" * 200, "damaged"),
    "future-version": (header(_SHAPE % "(6, 2)", b"\x09\x00") + bytes(96), "is not known"),
    "header-cut": (npy(_X)[:30], "damaged"),
    "header-no-literal": (header("__import__('os').abort()\n") + bytes(96), "damaged"),
    "header-nested": (header("-" * 9000 + "1\n"), "damaged"),
    "header-long": (header(" " * 60_000 + "{}\n"), "damaged"),
    "cut": (npy(_X)[:-1], "ends too early"),
    "rest": (npy(_X) + b"\0", "bytes after its end"),
    "shape-bomb": (header(_SHAPE % "(1099511627776, 1024)"), "ends too early"),
    "negative": (header(_SHAPE % "(-6, -2)") + bytes(96), "damaged"),
    "no-shape": (header(_SHAPE % "()") + bytes(8), "is a single value"),
    "records": (npy(np.zeros(6, [("a", "f8")])), "values of type"),
    "times": (npy(np.zeros(6, "M8[s]")), "values of type datetime64"),
    "complex": (npy(np.zeros((6, 2), complex)), "values of type complex128"),
    "texts": (npy(np.array(["a"] * 6)), "values of type"),
    "no-samples": (npy(_X[:0]), "has 0 samples"),
    "fewer": (npy(_X[:4]), "has 4 samples and y has 6 labels"),
    "five-sides": (npy(np.zeros((6, 2, 2, 2, 2))), "neither images nor features"),
    "no-features": (npy(np.zeros((6, 0))), "neither images nor features"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_broken_inputs_are_refused(tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]
    path = pack(tmp_path, {"x": content, "y": npy(_Y)})
    with pytest.raises(DatasetError) as caught:
        read_all(open_npz(path, PLAIN))
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.zeros((6, 2, 2)), "have the shape 6×2×2"),
        (np.zeros((6, 2000)), "have the shape 6×2000"),
        (np.full(6, np.nan), "Not one usable sample has a label"),
        (np.zeros(6, int), "only one class"),
        (np.array([[0, 5]] * 6), "not only 0 and 1"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path: Path, y: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        open_npz(pack(tmp_path, {"x": npy(_X), "y": npy(y)}), PLAIN)


def test_labels_that_are_missing_are_set_aside(tmp_path: Path) -> None:
    y = np.array([0.5, np.nan, 1.5, np.inf, 2, 2.5] * 40)
    y[3::6] = 9.5
    y[3] = np.inf
    source = open_npz(pack(tmp_path, {"x": npy(np.ones((240, 2))), "y": npy(y)}), PLAIN)
    assert {one.name for one in source.skipped} == {f"x[{n}]" for n in [3, *range(1, 240, 6)]}
    assert source.facts.task == "regression"


def test_members_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {"x": npy(_X), "y": npy(_Y)})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", npy(_X * 2))
    with pytest.raises(DatasetError, match="holds 'x' twice"):
        open_npz(path, PLAIN)


def test_other_packing_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {"x": npy(_X), "y": npy(_Y)}, zipfile.ZIP_BZIP2)
    with pytest.raises(DatasetError, match="packed in a way that NumPy does not"):
        open_npz(path, PLAIN)


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.tables.plain_stream.FREE_BYTES", 1 << 20)
    path = pack(tmp_path, {"x": npy(np.zeros((1 << 20, 4))), "y": npy(_Y)})
    with pytest.raises(DatasetError, match="more than 200 times as large"):
        open_npz(path, PLAIN)


def test_large_arrays_by_column_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.arrays.npz.FREE_BYTES", 64)
    path = pack(tmp_path, {"x": npy(np.asfortranarray(_X)), "y": npy(_Y)})
    with pytest.raises(DatasetError, match="column by column"):
        open_npz(path, PLAIN)


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-30],
    "half": lambda content: content[: len(content) // 2],
    "no-archive": lambda content: b"x" * 500,
    "empty": lambda content: b"",
    "changed": lambda content: content[:3000] + b"\x55" * 900 + content[3900:],
}


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_archives_are_refused(tmp_path: Path, damage: str, method: int) -> None:
    x = np.random.default_rng(0).normal(size=(600, 2))
    path = pack(tmp_path, {"x": npy(x), "y": npy(np.arange(600) % 2)}, method)
    path.write_bytes(_DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DatasetError, match="damaged"):
        read_all(open_npz(path, PLAIN))


def test_links_and_special_files_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", _Y)
    (tmp_path / "x.npy").symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match="no array of inputs"):
        open_npz(tmp_path, PLAIN)
    os.mkfifo(tmp_path / "t.npz")
    for path in (tmp_path / "t.npz", tmp_path / "none.npz"):
        with pytest.raises(DatasetError, match="cannot be read"):
            open_npz(path, PLAIN)


@given(content=st.binary(max_size=400), cut=st.integers(0, 200), as_labels=st.booleans())
def test_whatever_the_bytes_it_is_one_error_or_an_array(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cut: int, as_labels: bool
) -> None:
    good = npy(_Y if as_labels else _X)
    broken = good[:cut] + content
    folder = tmp_path_factory.mktemp("npz")
    members = {"x": npy(_X), "y": broken} if as_labels else {"x": broken, "y": npy(_Y)}
    try:
        read_all(open_npz(pack(folder, members), PLAIN))
    except DatasetError as error:
        assert error.hint
