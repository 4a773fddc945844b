"""Prepared datasets: published whole, verified before use."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.prepared import Arrays, save_prepared
from tests.tasks import MARKERS, marked_texts, prepare_stripes, prepare_tokens, stripes
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.specs import DATASET_VERSION
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import (
    dataset_bytes,
    is_outdated,
    is_prepared,
    read_spec,
    remove_dataset,
    verify_dataset,
)


def test_every_file_is_verified(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    assert verify_dataset(tmp_path, "mnist") == 6
    total = sum(file.stat().st_size for file in (tmp_path / "mnist").glob("*.npy"))
    assert dataset_bytes(spec) == total


@pytest.mark.parametrize("position", [0, 100, 200, -1])
@pytest.mark.parametrize("name", ["train-inputs.npy", "train-labels.npy"])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str, position: int) -> None:
    prepare_stripes(tmp_path)
    file = tmp_path / "mnist" / name
    content = bytearray(file.read_bytes())
    content[position] ^= 4
    file.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged") as caught:
        load_split(tmp_path, "mnist", "train")
    assert "tuitrain data get mnist" in caught.value.hint
    with pytest.raises(DatasetError):
        verify_dataset(tmp_path, "mnist")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist" / "test-inputs.npy").unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        load_split(tmp_path, "mnist", "test")


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"[]", b'{"name": "mnist"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_manifest_is_an_error(tmp_path: Path, manifest: bytes) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist" / "dataset.json").write_bytes(manifest)
    with pytest.raises(DatasetError, match="damaged"):
        read_spec(tmp_path, "mnist")


def test_a_manifest_of_another_dataset_is_refused(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist").rename(tmp_path / "digits")
    with pytest.raises(DatasetError, match="does not describe digits"):
        read_spec(tmp_path, "digits")


def test_a_dataset_of_another_version_is_refused(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    newer = msgspec.structs.replace(spec, version=DATASET_VERSION + 1)
    (tmp_path / "mnist" / "dataset.json").write_bytes(msgspec.json.encode(newer))
    with pytest.raises(DatasetError, match="another version"):
        read_spec(tmp_path, "mnist")


def test_a_dataset_of_the_first_version_is_to_be_prepared_again(tmp_path: Path) -> None:
    """Its manifest has other fields, and is not damaged."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "dataset.json").write_text(
        '{"name":"mnist","title":"","shape":[1,28,28],"classes":["0"],"mean":[0.0],"std":[1.0],'
        '"splits":{},"origin":"","version":1}'
    )
    with pytest.raises(DatasetError, match="another version") as caught:
        read_spec(tmp_path, "mnist")
    assert "tuitrain data get mnist" in caught.value.hint
    assert is_outdated(tmp_path, "mnist")


def test_only_what_an_older_version_prepared_is_outdated(tmp_path: Path) -> None:
    assert not is_outdated(tmp_path, "mnist")
    spec = prepare_stripes(tmp_path)
    assert not is_outdated(tmp_path, "mnist")
    manifest = tmp_path / "mnist" / "dataset.json"
    newer = msgspec.structs.replace(spec, version=DATASET_VERSION + 1)
    for content in (msgspec.json.encode(newer), b"{", b"\xff"):
        manifest.write_bytes(content)
        assert not is_outdated(tmp_path, "mnist")


def test_a_path_in_the_manifest_does_not_leave_the_folder(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path / "data")
    shutil.copy(tmp_path / "data/mnist/train-inputs.npy", tmp_path / "outside.npy")
    inputs = msgspec.structs.replace(spec.splits["train"].inputs, file="../../outside.npy")
    train = msgspec.structs.replace(spec.splits["train"], inputs=inputs)
    hostile = msgspec.structs.replace(spec, splits=spec.splits | {"train": train})
    (tmp_path / "data/mnist/dataset.json").write_bytes(msgspec.json.encode(hostile))
    with pytest.raises(DatasetError):
        load_split(tmp_path / "data", "mnist", "train")


def test_preparing_again_replaces_the_dataset(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    entry = DATASETS["mnist"]
    save_prepared(
        tmp_path, entry, {"train": stripes(entry, 20, 3), "test": stripes(entry, 10, 4)}, "again"
    )
    assert read_spec(tmp_path, "mnist").splits["train"].count == 20
    assert [folder.name for folder in tmp_path.iterdir()] == ["mnist"]


def test_images_that_do_not_pair_with_labels_are_refused(tmp_path: Path) -> None:
    entry = DATASETS["mnist"]
    images, labels = stripes(entry, 20, 1)
    with pytest.raises(DatasetError, match="came where"):
        save_prepared(tmp_path, entry, {"train": (images, labels[:-1]), "test": (images, labels)})


_TABLE = msgspec.structs.replace(
    DATASETS["wine"], name="table", shape=(3,), classes=("a", "b"), train_count=4, test_count=4
)


def _table(rows: list[list[float]]) -> Arrays:
    table, labels = np.array(rows, np.float32), np.arange(len(rows)) % 2
    return {"train": (table, labels), "test": (table, labels)}


def test_a_table_is_kept_as_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "table", _TABLE)
    arrays = _table([[1, 2, 3], [4, 5, 6], [7, 8, 9.5], [0, 0, 0]])
    spec = save_prepared(tmp_path, _TABLE, arrays, "test")
    assert read_spec(tmp_path, "table") == spec
    assert len(spec.mean) == len(spec.std) == 3
    inputs, labels = load_split(tmp_path, "table", "train")
    assert inputs.dtype == np.float32
    assert np.array_equal(inputs, arrays["train"][0])
    assert labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_table_with_holes_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(DatasetError, match="not finite"):
        save_prepared(tmp_path, _TABLE, _table([[1, 2, value], [4, 5, 6]]), "test")


def test_tokens_are_kept_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = prepare_tokens(tmp_path, monkeypatch)
    assert read_spec(tmp_path, spec.name) == spec
    assert (spec.mean, spec.std, spec.vocabulary) == ((), (), MARKERS.vocabulary)
    inputs, _ = load_split(tmp_path, spec.name, "train")
    numbers = np.arange(len(inputs))
    assert np.array_equal(inputs[numbers], marked_texts(MARKERS, len(inputs), 1)[0])


@pytest.mark.parametrize("token", [-1, MARKERS.vocabulary])
def test_tokens_outside_the_vocabulary_are_refused(tmp_path: Path, token: int) -> None:
    texts, labels = marked_texts(MARKERS, 9, 1)
    texts[4, 2] = token
    with pytest.raises(DatasetError, match="must lie between 0 and 39"):
        save_prepared(tmp_path, MARKERS, {"train": (texts, labels), "test": (texts, labels)})


def test_inputs_of_another_type_are_refused(tmp_path: Path) -> None:
    texts, labels = marked_texts(MARKERS, 9, 1)
    with pytest.raises(DatasetError, match="type int64"):
        wide = texts.astype(np.int64)
        save_prepared(tmp_path, MARKERS, {"train": (wide, labels), "test": (texts, labels)})


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DatasetError, match="cannot be written"):
        prepare_stripes(tmp_path / "file" / "data")


def test_a_removed_dataset_is_gone(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    remove_dataset(tmp_path, "mnist")
    assert not is_prepared(tmp_path, "mnist")
    with pytest.raises(DatasetError):
        remove_dataset(tmp_path, "mnist")
    with pytest.raises(DatasetError):
        remove_dataset(tmp_path, "..")


def test_arrays_are_those_of_the_manifest_that_was_read(tmp_path: Path) -> None:
    """Another process may have prepared it anew in between."""
    spec = prepare_stripes(tmp_path)
    entry = DATASETS["mnist"]
    save_prepared(tmp_path, entry, {"train": stripes(entry, 320, 3), "test": stripes(entry, 80, 4)})
    assert load_split(tmp_path, "mnist", "train")
    with pytest.raises(DatasetError, match="not the recorded one"):
        load_split(tmp_path, "mnist", "train", spec)


def _header(text: str) -> bytes:
    body = text.ljust(9_990).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize("content", ["archive", "deep", "huge", "object", "empty"])
def test_a_file_that_is_no_such_array_is_an_error(tmp_path: Path, content: str) -> None:
    """Though its manifest has its SHA-256."""
    spec = prepare_stripes(tmp_path)
    file = tmp_path / "mnist" / "train-labels.npy"
    huge = "{'descr': '<i8', 'fortran_order': False, 'shape': (4611686018427387904, 8)}"
    match content:
        case "archive":
            with open(file, "wb") as stream:
                np.savez(stream, a=np.zeros(3), b=np.zeros(3))
        case "object":
            np.save(file, np.array([None, {}], object), allow_pickle=True)
        case _:
            made = {"deep": _header("-" * 9_000 + "1"), "huge": _header(huge), "empty": b""}
            file.write_bytes(made[content])
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    labels = msgspec.structs.replace(spec.splits["train"].labels, sha256=sha256)
    train = msgspec.structs.replace(spec.splits["train"], labels=labels)
    hostile = msgspec.structs.replace(spec, splits=spec.splits | {"train": train})
    with pytest.raises(DatasetError):
        load_split(tmp_path, "mnist", "train", hostile)
