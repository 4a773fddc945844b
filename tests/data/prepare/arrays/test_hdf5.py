"""HDF5 files: what is plain is read, what leads elsewhere or lies about its size is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.arrays.hdf5 import open_hdf5
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()
_Y = np.arange(6) % 2


def make(folder: Path, fill: Callable[[Any], None], name: str = "t.h5") -> Path:
    with h5py.File(folder / name, "w") as file:
        fill(file)
    return folder / name


def write(folder: Path, **arrays: Any) -> Path:
    def fill(file: Any) -> None:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array

    return make(folder, fill)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 5, 4), (1, 5, 4)),
        ((6, 5, 4, 3), (3, 5, 4)),
        ((6, 3, 5, 4), (3, 5, 4)),
        ((6, 5, 4, 1), (1, 5, 4)),
        ((6, 1, 5, 4), (1, 5, 4)),
    ],
)
def test_images_are_told_by_their_channels(
    tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    source = open_hdf5(write(tmp_path, images=images, labels=_Y), PLAIN)
    read = read_all(source)
    assert source.facts.kind == "image"
    assert source.facts.shape == expected
    last = images if len(shape) == 3 or shape[1] in (1, 3) else images.transpose(0, 3, 1, 2)
    assert np.array_equal(read.inputs, last.reshape(6, *expected))
    assert read.labels.tolist() == _Y.tolist()


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8"])
def test_float_images_become_bytes_and_that_is_told(tmp_path: Path, dtype: str) -> None:
    images = np.arange(6 * 16).reshape(6, 4, 4) / 95
    source = open_hdf5(write(tmp_path, x=images.astype(dtype), y=_Y), PLAIN)
    read = read_all(source)
    assert np.array_equal(read.inputs[:, 0], np.rint(images.astype(dtype).astype("f8") * 255))
    assert "multiplied by 255" in source.facts.origin


def test_float_images_up_to_255_are_rounded(tmp_path: Path) -> None:
    images = np.full((6, 4, 4), 7.6)
    images[5] = 254.4
    images[3, 0, 0] = np.nan
    source = open_hdf5(write(tmp_path, x=images, y=_Y), PLAIN)
    read = read_all(source)
    assert [int(image.max()) for image in read.inputs] == [8, 8, 8, 8, 254]
    assert read.reasons == {"x[3]": "it has pixels that are no numbers"}
    assert "rounded" in source.facts.origin


def test_images_are_brought_to_size_and_color(tmp_path: Path) -> None:
    images = np.full((6, 8, 10, 3), 100, np.uint8)
    preparation = PreparationConfig(size=4, color="gray")
    source = open_hdf5(write(tmp_path, x=images, y=_Y), preparation)
    assert read_all(source).inputs.shape == (6, 1, 4, 4)


def test_texts_are_classes(tmp_path: Path) -> None:
    names = ["cat", "dog", "cat", "ant", "", "dog"]
    path = write(tmp_path, x=np.ones((6, 2)), y=np.array(names, dtype=h5py.string_dtype()))
    source = open_hdf5(path, PLAIN)
    read = read_all(source)
    assert source.facts.classes == ("ant", "cat", "dog")
    assert read.labels.tolist() == [1, 2, 1, 0, 2]
    assert read.reasons == {"x[4]": "it has no label"}


def test_an_attribute_names_the_classes(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["x"] = np.ones((6, 2))
        file["y"] = [0, 1, 2, 1, 7, -1]
        file["y"].attrs["classes"] = ["ant", "bee", "cat"]

    source = open_hdf5(make(tmp_path, fill), PLAIN)
    read = read_all(source)
    assert source.facts.classes == ("ant", "bee", "cat")
    assert read.labels.tolist() == [0, 1, 2, 1]
    assert read.reasons["x[4]"] == "its label '7' is not one of the 3 classes"
    assert read.reasons["x[5]"] == "its label '-1' is not one of the 3 classes"


def test_a_named_class_without_samples_is_refused(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file["x"] = np.ones((2, 2))
        file["y"] = [0, 1]
        file["y"].attrs["classes"] = ["ant", "bee", "cat"]

    with pytest.raises(DatasetError, match="No usable sample is of class 'cat'"):
        open_hdf5(make(tmp_path, fill), PLAIN)


def test_sparse_and_negative_labels_are_just_classes(tmp_path: Path) -> None:
    source = open_hdf5(write(tmp_path, x=np.ones((6, 2)), y=[-5, 900, -5, 10, 10, 900]), PLAIN)
    assert source.facts.classes == ("-5", "10", "900")
    assert read_all(source).labels.tolist() == [0, 2, 0, 1, 1, 2]


def test_columns_of_bytes_hold_or_not_and_floats_are_targets(tmp_path: Path) -> None:
    several = np.array([[1, 0], [1, 1], [0, 0]], bool)
    source = open_hdf5(write(tmp_path, x=np.ones((3, 2)), y=several), PLAIN)
    assert source.facts.task == "multilabel"
    assert np.array_equal(read_all(source).labels, several)
    numbers = np.array([[0.5, 1], [1, 2], [np.nan, 4]])
    source = open_hdf5(write(tmp_path, x=np.ones((3, 2)), y=numbers), PLAIN)
    assert source.facts.targets == ("y 0", "y 1")
    assert read_all(source).labels.tolist() == [[0.5, 1], [1, 2]]


@pytest.mark.parametrize(
    "names",
    [
        ("train__x", "train__y", "test__x", "test__y"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_names_tell_the_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    a, b, c, d = names
    arrays = {a: np.ones((4, 2)), b: [0, 1, 0, 1], c: np.zeros((2, 2)), d: [1, 0]}
    source = open_hdf5(write(tmp_path, **arrays), PLAIN)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 0, 0, 1, 1]
    assert read_all(source).labels.tolist() == [0, 1, 0, 1, 1, 0]


def test_every_block_can_be_read_by_itself(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        x = np.arange(20_000, dtype="f8").reshape(10_000, 2)
        file.create_dataset("x", data=x, chunks=(300, 1), compression="lzf", shuffle=True)
        file["y"] = np.arange(10_000) % 3

    source = open_hdf5(make(tmp_path, fill), PLAIN)
    for task in reversed(list(source.tasks())):
        block = task()
        assert np.array_equal(block.inputs[:, 0], 2 * block.numbers_B)


def test_values_that_are_no_numbers_are_set_aside(tmp_path: Path) -> None:
    x = np.ones((4, 2))
    x[1, 1], x[2, 0] = np.nan, 1e300
    read = read_all(open_hdf5(write(tmp_path, x=x, y=[0, 1, 0, 1]), PLAIN))
    assert read.reasons == {"x[1]": "its feature 1 is nan", "x[2]": "its feature 0 is 1e+300"}
    assert read.numbers == [0, 3]


def _holding(**arrays: Any) -> Callable[[Any], None]:
    def fill(file: Any) -> None:
        for name, array in arrays.items():
            file[name] = array

    return fill


def _class_twice(file: Any) -> None:
    file["x"] = _Y
    file["y"] = _Y
    file["y"].attrs["classes"] = ["a", "a"]


def _link_out(file: Any) -> None:
    file["x"] = h5py.ExternalLink("/etc/passwd", "/x")
    file["y"] = _Y


def _soft_link(file: Any) -> None:
    file["hidden"] = np.ones((6, 2))
    file["x"] = h5py.SoftLink("/hidden")
    file["y"] = _Y


def _linked_group(file: Any) -> None:
    file["train"] = h5py.ExternalLink("/etc/passwd", "/")
    file["y"] = _Y


def _external_storage(file: Any) -> None:
    shape, where = (6, 2), [("/etc/passwd", 0, 96)]
    file.create_dataset("x", shape, "f8", external=where)
    file["y"] = _Y


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((6, 2), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (6, 2))
    file.create_virtual_dataset("x", layout)
    file["y"] = _Y


def _shape_bomb(file: Any) -> None:
    file.create_dataset("x", (1 << 40, 2), "f8", chunks=(1024, 2), compression="gzip")
    file["y"] = _Y


def _whole_bomb(file: Any) -> None:
    file.create_dataset("x", (1 << 40, 1), "u1")
    file.create_dataset("y", (1 << 40,), "u1")


def _half_written(file: Any) -> None:
    file.create_dataset("x", (6, 2), "f8", chunks=(2, 2))[:4] = 1
    file["y"] = _Y


def _huge_chunks(file: Any) -> None:
    file.create_dataset("x", (1 << 24, 2), "f8", chunks=(1 << 24, 2), compression="gzip")[0] = 1
    file["y"] = _Y


def _references(file: Any) -> None:
    file["a"] = 1
    file.create_dataset("x", data=[file["a"].ref] * 6, dtype=h5py.ref_dtype)
    file["y"] = _Y


def _ragged(file: Any) -> None:
    file.create_dataset("x", (6,), h5py.vlen_dtype("f8"))
    file["y"] = _Y


def _compound(file: Any) -> None:
    file["x"] = np.zeros(6, [("a", "f8"), ("b", "f8")])
    file["y"] = _Y


REFUSED: dict[str, tuple[Callable[[Any], None], str]] = {
    "external-link": (_link_out, "a link to somewhere else"),
    "soft-link": (_soft_link, "a link to somewhere else"),
    "external-group": (_linked_group, "no array of inputs"),
    "external-storage": (_external_storage, "lies in other files"),
    "virtual": (_virtual, "lies in other files"),
    "shape-bomb": (_shape_bomb, "never written"),
    "whole-bomb": (_whole_bomb, "never written"),
    "half-written": (_half_written, "never written"),
    "huge-chunks": (_huge_chunks, "chunks of more than"),
    "references": (_references, "values of type object"),
    "ragged": (_ragged, "values of type object"),
    "compound": (_compound, "values of type"),
    "nothing": (_holding(), "there is nothing"),
    "no-labels": (_holding(x=_Y), "no array of labels"),
    "empty-space": (_holding(x=h5py.Empty("f8"), y=_Y), "holds no array"),
    "single-value": (_holding(x=1.0, y=_Y), "is a single value"),
    "no-samples": (_holding(x=np.ones((0, 2)), y=_Y[:0]), "has no samples"),
    "counts": (_holding(x=np.ones((5, 2)), y=_Y), "has 5 samples and y has 6"),
    "four-channels": (_holding(x=np.ones((6, 8, 8, 4)), y=_Y), "neither images"),
    "no-pixels": (_holding(x=np.full((6, 8, 8), -1.5), y=_Y), "-1.5 to -1.5"),
    "one-class": (_holding(x=np.ones((6, 2)), y=_Y * 0), "only one class: 0"),
    "both": (_holding(x=np.ones((6, 2)), data=_Y, y=_Y), "may both be"),
    "train-only": (_holding(x_train=_Y, y_train=_Y), "arrays of train only"),
    "complex": (_holding(x=np.ones((6, 2), complex), y=_Y), "type complex128"),
    "class-twice": (_class_twice, "name 'a' twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_plain_is_refused(tmp_path: Path, case: str) -> None:
    fill, words = REFUSED[case]
    path = make(tmp_path, fill)
    with pytest.raises(DatasetError) as caught:
        read_all(open_hdf5(path, PLAIN))
    assert words in caught.value.message
    assert caught.value.hint


def test_packed_too_densely_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_trainer.data.prepare.tables.plain_stream.FREE_BYTES", 1 << 20)

    def fill(file: Any) -> None:
        file.create_dataset("x", data=np.zeros((1 << 20, 8)), compression="gzip")
        file["y"] = _Y

    with pytest.raises(DatasetError, match="times as large"):
        open_hdf5(make(tmp_path, fill), PLAIN)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "inside"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    def fill(file: Any) -> None:
        x = np.random.default_rng(0).normal(size=(600, 2))
        file.create_dataset("x", data=x, compression="gzip", fletcher32=True)
        file["y"] = np.arange(600) % 2

    path = make(tmp_path, fill)
    content = bytearray(path.read_bytes())
    if damage == "inside":
        content[3000:6000] = b"\x55" * 3000
    path.write_bytes(
        {"cut": content[:-999], "noise": b"x" * 999, "empty": b""}.get(damage, content)
    )
    with pytest.raises(DatasetError, match="cannot be read as HDF5"):
        read_all(open_hdf5(path, PLAIN))


def test_a_pipe_or_a_folder_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.h5")
    for path in (tmp_path / "t.h5", tmp_path, tmp_path / "none.h5"):
        with pytest.raises(DatasetError, match="cannot be read"):
            open_hdf5(path, PLAIN)
