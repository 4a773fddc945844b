"""The datasets that need no files: those of scikit-learn, and made-up pictures."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from tests.data.prepare.reading import read_all
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog import open_catalog
from tui_trainer.data.prepare.source import SPLITS, Source
from tui_trainer.errors import DatasetError

_INSTALLED = [name for name, entry in DATASETS.items() if entry.is_installed]


def open_plain_source(name: str, **preparation: Any) -> Source:
    return open_catalog(
        name,
        PreparationConfig(**preparation),
        originals=None,
        downloads=Path("never-made"),
        say=pytest.fail,
    )


def count_splits(source: Source) -> tuple[int, ...]:
    assert source.splits_N is not None
    return tuple(int((source.splits_N == number).sum()) for number in range(len(SPLITS)))


@pytest.mark.parametrize("name", _INSTALLED)
def test_what_is_installed_is_the_same_every_time_without_a_network(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(socket, "create_connection", pytest.fail)
    entry, source = DATASETS[name], open_plain_source(name)
    assert count_splits(source) == (entry.train_count, entry.test_count, entry.validation_count)
    first, again = read_all(source), read_all(open_plain_source(name))
    assert source.facts.classes == entry.classes
    assert source.facts.targets == entry.targets
    assert np.array_equal(first.inputs, again.inputs)
    assert first.numbers == list(range(entry.train_count + entry.test_count))
    assert not Path("never-made").exists()


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("digits", datasets.load_digits),
        ("iris", datasets.load_iris),
        ("wine", datasets.load_wine),
        ("breast-cancer", datasets.load_breast_cancer),
        ("diabetes", lambda: datasets.load_diabetes(scaled=False)),
    ],
)
def test_they_are_those_of_scikit_learn(name: str, load: Callable[[], Any]) -> None:
    source, bunch = open_plain_source(name), load()
    read = read_all(source)
    theirs = bunch.images[:, None] if name == "digits" else bunch.data.astype(np.float32)
    assert np.array_equal(read.inputs, theirs)
    assert np.array_equal(np.ravel(read.labels), bunch.target.astype(read.labels.dtype))
    if name != "digits":
        assert source.facts.features == tuple(bunch.feature_names)
    if name not in ("digits", "diabetes"):
        assert source.facts.classes == tuple(bunch.target_names)
        assert source.splits_N is not None
        tested = read.labels[source.splits_N == SPLITS.index("test")]
        for label, share in enumerate(np.bincount(bunch.target) / len(bunch.target)):
            assert abs((tested == label).mean() - share) < 0.02


def test_the_digits_held_out_are_always_the_same() -> None:
    source = open_plain_source("digits")
    assert source.splits_N is not None
    tested = np.flatnonzero(source.splits_N)
    # Runs of every version are compared on them.
    assert (tested[:5].tolist(), int(tested.sum())) == ([5, 7, 8, 12, 13], 321_771)


def test_another_share_is_drawn_from_the_seed() -> None:
    assert count_splits(open_plain_source("iris", test=0.5)) == (75, 75, 0)
    one, other = (open_plain_source("wine", seed=seed).splits_N for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("size", [0, 8, 20])
@pytest.mark.parametrize("color", ["auto", "gray", "rgb"])
@pytest.mark.parametrize("name", ["digits", "fake"])
def test_images_are_brought_to_size_and_colour(name: str, color: str, size: int) -> None:
    source = open_plain_source(name, size=size, color=color)
    channels, side, _ = DATASETS[name].shape
    channels = {"auto": channels, "gray": 1, "rgb": 3}[color]
    assert source.facts.shape == (channels, size or side, size or side)
    task = next(iter(source.tasks()))
    block = task()
    assert block.inputs.shape[1:] == source.facts.shape
    assert block.inputs.nbytes <= 8 << 20
    assert block.inputs.std() > 1


def test_made_up_pictures_can_be_learnt_but_not_by_their_pixels_alone() -> None:
    read = read_all(open_plain_source("fake"))
    spectra = np.abs(np.fft.fft2(read.inputs.astype(np.float32).mean(1)))[:, :5, :5]
    flat = spectra.reshape(len(spectra), -1)
    centres = np.stack([flat[:5000][read.labels[:5000] == k].mean(0) for k in range(10)])
    nearest = ((flat[5000:, None] - centres) ** 2).sum(-1).argmin(1)
    assert (nearest == read.labels[5000:]).mean() > 0.9
    pixels = read.inputs.reshape(6000, -1).astype(np.float32)
    means = np.stack([pixels[:5000][read.labels[:5000] == k].mean(0) for k in range(10)])
    assert means.std(0).max() < 15


def test_made_up_pictures_follow_from_the_seed() -> None:
    one, other = (next(iter(open_plain_source("fake", seed=s).tasks()))().inputs for s in (0, 1))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "preparation", "words"),
    [
        ("wine", {"size": 8}, "no images"),
        ("wine", {"color": "rgb"}, "no images"),
        ("wine", {"label": "alcohol"}, "cannot be chosen"),
        ("digits", {"inputs": "x"}, "cannot be chosen"),
        ("digits", {"task": "regression"}, "for classification, not for regression"),
        ("diabetes", {"task": "classification"}, "for regression"),
    ],
)
def test_what_cannot_be_asked_of_a_dataset_is_told(
    name: str, preparation: dict[str, Any], words: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        open_plain_source(name, **preparation)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", _INSTALLED)
def test_what_is_installed_is_not_imported(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="not imported from files"):
        open_catalog(
            name,
            PreparationConfig(),
            originals=tmp_path,
            downloads=tmp_path,
            say=lambda text: None,
        )


def test_an_unknown_dataset_is_told_the_nearest() -> None:
    with pytest.raises(DatasetError) as caught:
        open_plain_source("mnits")
    assert "mnist" in caught.value.hint
