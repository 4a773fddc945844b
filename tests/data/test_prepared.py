"""Prepared datasets: published whole, verified before use."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as np_arrays

from tests.tasks import prepare_stripes, stripes
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.specs import DATASET_VERSION
from tui_trainer.data.prepared import load_split, measure_pixels, save_prepared
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import (
    dataset_bytes,
    is_prepared,
    read_spec,
    remove_dataset,
    verify_dataset,
)


@given(np_arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 3), st.just(4), st.just(3))))
def test_mean_and_deviation_are_the_pixels(images: np.ndarray) -> None:
    mean, std = measure_pixels(images)
    assert np.allclose(mean, images.mean(axis=(0, 2, 3)))
    assert np.allclose(std, images.std(axis=(0, 2, 3)), atol=1e-6)


def test_every_file_is_verified(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    assert verify_dataset(tmp_path, "mnist") == 4
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
    with pytest.raises(DatasetError, match="with 19 labels"):
        save_prepared(tmp_path, entry, {"train": (images, labels[:-1])}, "test")


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
