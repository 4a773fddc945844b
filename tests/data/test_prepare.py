"""Preparing the datasets of the catalogue."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from tests.data.idx_files import write_idx_folder
from tests.tasks import stripes
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.data.prepare import prepare_dataset
from tui_trainer.data.prepare.mnist import import_mnist
from tui_trainer.data.prepared import load_split, save_prepared
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import read_spec

_SMALL = msgspec.structs.replace(DATASETS["mnist"], train_count=40, test_count=20)


@pytest.fixture
def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {"train": stripes(_SMALL, 40, 1), "test": stripes(_SMALL, 20, 2)}


def test_digits_are_the_1797_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    spec = prepare_dataset(tmp_path, "digits")
    images, labels = zip(*(load_split(tmp_path, "digits", s) for s in spec.splits), strict=True)
    assert len(np.concatenate(labels)) == 1797
    assert {split: part.count for split, part in spec.splits.items()} == {
        "train": DATASETS["digits"].train_count,
        "test": DATASETS["digits"].test_count,
    }
    ours = {image.tobytes() for image in np.concatenate(images)}
    theirs = {image.tobytes() for image in load_digits().images.astype(np.uint8)}
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "load"), [("wine", load_wine), ("breast-cancer", load_breast_cancer)]
)
def test_the_tables_are_those_of_scikit_learn(
    tmp_path: Path, name: str, load: Callable[[], Any]
) -> None:
    entry = DATASETS[name]
    spec = prepare_dataset(tmp_path, name)
    counts = {split: part.count for split, part in spec.splits.items()}
    assert counts == {"train": entry.train_count, "test": entry.test_count}
    tables, labels = zip(*(load_split(tmp_path, name, s) for s in spec.splits), strict=True)
    bunch = load()
    assert [*spec.classes] == [*bunch.target_names]
    ours = sorted(zip(map(tuple, np.concatenate(tables)), np.concatenate(labels), strict=True))
    theirs = zip(map(tuple, bunch.data.astype(np.float32)), bunch.target, strict=True)
    assert ours == sorted(theirs)
    for label, share in enumerate(np.bincount(bunch.target) / len(bunch.target)):
        assert abs((labels[1] == label).mean() - share) < 0.02


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].is_installed])
def test_what_is_installed_is_prepared_the_same_every_time_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket, "create_connection", pytest.fail)
    first = prepare_dataset(tmp_path / "a", name)
    assert prepare_dataset(tmp_path / "b", name) == first


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_is_imported_from_its_four_files(
    tmp_path: Path, arrays: dict[str, tuple[np.ndarray, np.ndarray]], zipped: bool
) -> None:
    write_idx_folder(tmp_path / "idx", arrays, zipped=zipped)
    imported, origin = import_mnist(tmp_path / "idx", _SMALL)
    save_prepared(tmp_path / "data", _SMALL, imported, origin)
    for split, (images, labels) in arrays.items():
        read_images, read_labels = load_split(tmp_path / "data", "mnist", split)
        assert np.array_equal(read_images, images)
        assert np.array_equal(read_labels, labels)
    assert read_spec(tmp_path / "data", "mnist").origin == "imported: not the published files"


def test_a_label_out_of_range_is_refused_and_nothing_is_published(
    tmp_path: Path, arrays: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    arrays["test"][1][3] = 10
    write_idx_folder(tmp_path / "idx", arrays, zipped=True)
    imported, origin = import_mnist(tmp_path / "idx", _SMALL)
    with pytest.raises(DatasetError, match="from 0 to 10, but must lie between 0 and 9"):
        save_prepared(tmp_path / "data", _SMALL, imported, origin)
    assert not (tmp_path / "data" / "mnist").exists()


def test_images_and_labels_mixed_up_are_refused(
    tmp_path: Path, arrays: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    folder = tmp_path / "idx"
    write_idx_folder(folder, arrays, zipped=False)
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)
    with pytest.raises(DatasetError, match="not 3-dimensional"):
        import_mnist(folder, _SMALL)


def test_a_missing_file_is_named(
    tmp_path: Path, arrays: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    write_idx_folder(tmp_path, arrays, zipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte"):
        import_mnist(tmp_path, _SMALL)


def test_a_failed_download_names_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DatasetError) as caught:
        prepare_dataset(tmp_path, "mnist")
    assert "tuitrain data import mnist FOLDER" in caught.value.hint
    assert "tuitrain train digits" in caught.value.hint
    assert not (tmp_path / "mnist").exists()


def test_digits_are_not_imported_from_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not imported from files"):
        prepare_dataset(tmp_path, "digits", tmp_path)


def test_an_unknown_dataset_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        prepare_dataset(tmp_path, "mnits")
    assert "mnist" in caught.value.hint


def test_the_entry_of_the_catalogue_is_the_real_one() -> None:
    entry: DatasetEntry = DATASETS["mnist"]
    assert (entry.train_count, entry.test_count, entry.shape) == (60_000, 10_000, (1, 28, 28))
