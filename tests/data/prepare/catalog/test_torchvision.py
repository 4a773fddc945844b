"""What we read of official files, against what torchvision's own dataset classes read of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as theirs

from tests.data.prepare.catalog.official_files import MAKERS, make_official, md5_of
from tests.data.prepare.reading import read_all
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog.original_sets import open_originals
from tui_trainer.data.prepare.catalog.published import PUBLISHED, UNPACKED_MD5
from tui_trainer.data.prepare.source import SPLITS

_EMNIST = {"emnist": "balanced", "emnist-letters": "letters", "emnist-digits": "digits"}


def _open_theirs(name: str, root: Path, split: str) -> Any:
    is_train = split == "train"
    if name in _EMNIST:
        return theirs.EMNIST(root, _EMNIST[name], train=is_train)
    by_flag: dict[str, Any] = {
        "mnist": theirs.MNIST,
        "fashion-mnist": theirs.FashionMNIST,
        "kmnist": theirs.KMNIST,
        "qmnist": theirs.QMNIST,
        "cifar10": theirs.CIFAR10,
        "cifar100": theirs.CIFAR100,
        "usps": theirs.USPS,
    }
    if name in by_flag:
        return by_flag[name](root, train=is_train)
    if name == "caltech101":
        return theirs.Caltech101(root)
    if name == "oxford-pets":
        return theirs.OxfordIIITPet(root, "trainval" if is_train else "test")
    by_name: dict[str, Any] = {
        "svhn": theirs.SVHN,
        "stl10": theirs.STL10,
        "flowers102": theirs.Flowers102,
        "food101": theirs.Food101,
    }
    return by_name[name](root, split={"validation": "val"}.get(split, split))


def _trust(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Let their classes take small files for the published ones."""

    def rehash(files: list[list[str]], base: str) -> list[list[str]]:
        paths = [(name, root / base / name) for name, _ in files]
        return [[name, md5_of(path.read_bytes()) if path.exists() else ""] for name, path in paths]

    for cls in (theirs.CIFAR10, theirs.CIFAR100, theirs.STL10):
        for attribute in ("train_list", "test_list"):
            files = rehash(getattr(cls, attribute), cls.base_folder)
            monkeypatch.setattr(cls, attribute, files)
    for cls in (theirs.CIFAR10, theirs.CIFAR100):
        ((_, md5),) = rehash([[cls.meta["filename"], ""]], cls.base_folder)
        monkeypatch.setattr(cls, "meta", cls.meta | {"md5": md5})
    listed = theirs.SVHN.split_list
    for split, (url, file, _) in listed.items():
        ((_, md5),) = rehash([[file, ""]], ".")
        monkeypatch.setitem(listed, split, [url, file, md5])
    for key, (file, _) in theirs.Flowers102._file_dict.items():
        ((_, md5),) = rehash([[file, ""]], "flowers-102")
        monkeypatch.setitem(theirs.Flowers102._file_dict, key, (file, md5))


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_samples_come_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = tmp_path / "root"
    entry = make_official(name, root, monkeypatch)
    _trust(monkeypatch, root)
    source = open_originals(
        entry,
        PreparationConfig(size=16 if entry.size else 0),
        originals=root,
        downloads=tmp_path / "scratch",
        say=lambda text: None,
        report=None,
    )
    read = read_all(source)
    assert not read.skipped
    for number, split in enumerate(SPLITS):
        chosen = slice(None) if source.splits_N is None else source.splits_N == number
        images, labels = read.inputs[chosen], read.labels[chosen]
        if not len(labels) or (source.splits_N is None and split != "train"):
            continue
        dataset = _open_theirs(name, root, split)
        assert len(dataset) == len(labels)
        for (picture, label), image, ours in zip(dataset, images, labels, strict=True):
            pixels = np.asarray(picture)
            pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
            if name in _EMNIST:
                # Theirs come as they lie in the files: mirrored at the diagonal.
                pixels = pixels.transpose(0, 2, 1)
            assert np.array_equal(pixels, image)
            assert label - (name == "emnist-letters") == ours
        if name in ("cifar10", "cifar100", "fashion-mnist", "kmnist", "emnist", "emnist-digits"):
            assert tuple(dataset.classes) == source.facts.classes
        if name in ("oxford-pets", "food101"):
            assert tuple(dataset.classes) == source.facts.classes
        if name == "caltech101":
            assert tuple(dataset.categories) == source.facts.classes


def test_files_and_checksums_are_those_that_torchvision_names() -> None:
    emnist = {("gzip.zip", theirs.EMNIST.md5, (theirs.EMNIST.url,))}
    expected: dict[str, set[tuple[str, str, tuple[str, ...]]]] = {
        "emnist": emnist,
        "emnist-letters": emnist,
        "emnist-digits": emnist,
        "stl10": {(theirs.STL10.filename, theirs.STL10.tgz_md5, (theirs.STL10.url,))},
        "food101": {("food-101.tar.gz", theirs.Food101._MD5, (theirs.Food101._URL,))},
    }
    for name, cls in (("cifar10", theirs.CIFAR10), ("cifar100", theirs.CIFAR100)):
        expected[name] = {(cls.filename, cls.tgz_md5, (cls.url,))}
    for name, mnist in (
        ("mnist", theirs.MNIST),
        ("fashion-mnist", theirs.FashionMNIST),
        ("kmnist", theirs.KMNIST),
    ):
        expected[name] = {
            (file, md5, tuple(f"{mirror}{file}" for mirror in mnist.mirrors))
            for file, md5 in mnist.resources
        }
    for name, pairs in (
        ("qmnist", theirs.QMNIST.resources["train"] + theirs.QMNIST.resources["test"]),
        ("oxford-pets", theirs.OxfordIIITPet._RESOURCES),
    ):
        expected[name] = {(url.rsplit("/", 1)[1], md5, (url,)) for url, md5 in pairs}
    for name, splits in (("usps", theirs.USPS.split_list), ("svhn", theirs.SVHN.split_list)):
        expected[name] = {
            (file, md5, (url,)) for split, (url, file, md5) in splits.items() if split != "extra"
        }
    flowers = theirs.Flowers102
    expected["flowers102"] = {
        (file, md5, (f"{flowers._download_url_prefix}{file}",))
        for file, md5 in flowers._file_dict.values()
    }
    found = {
        name: {(file.name, file.md5, file.urls) for file in files}
        for name, files in PUBLISHED.items()
    }
    assert found.pop("caltech101") == _published_caltech()
    assert found == expected


def _published_caltech() -> set[tuple[str, str, tuple[str, ...]]]:
    """What torchvision fetches for Caltech 101, which only its code says."""
    caught: list[dict[str, Any]] = []
    patch = pytest.MonkeyPatch()

    def catch(url: str, **options: Any) -> None:
        caught.append({"url": url} | options)
        raise InterruptedError

    with patch.context() as context, pytest.raises(InterruptedError):
        context.setattr("torchvision.datasets.caltech.download_and_extract_archive", catch)
        context.setattr("os.makedirs", lambda *arguments, **options: None)
        theirs.Caltech101("nowhere", download=True)
    return {(one["filename"], one["md5"], (one["url"],)) for one in caught}


def test_files_within_archives_are_those_that_torchvision_checks() -> None:
    listed = [
        *theirs.CIFAR10.train_list,
        *theirs.CIFAR10.test_list,
        *theirs.CIFAR100.train_list,
        *theirs.CIFAR100.test_list,
        [theirs.CIFAR10.meta["filename"], theirs.CIFAR10.meta["md5"]],
        [theirs.CIFAR100.meta["filename"], theirs.CIFAR100.meta["md5"]],
        *(file for file in theirs.STL10.train_list if "unlabeled" not in file[0]),
        *theirs.STL10.test_list,
    ]
    ours = {(name, md5) for md5, name in UNPACKED_MD5.items() if "idx" not in name}
    assert ours == {(name, md5) for name, md5 in listed}


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("fashion-mnist", lambda: theirs.FashionMNIST.classes),
        ("kmnist", lambda: theirs.KMNIST.classes),
        ("emnist", lambda: theirs.EMNIST.classes_split_dict["balanced"]),
        ("emnist-letters", lambda: theirs.EMNIST.classes_split_dict["letters"][1:]),
        ("emnist-digits", lambda: theirs.EMNIST.classes_split_dict["digits"]),
        ("mnist", lambda: [label.split(" ")[0] for label in theirs.MNIST.classes]),
        ("flowers102", lambda: theirs.Flowers102.classes),
    ],
)
def test_classes_are_those_of_torchvision(name: str, classes: Callable[[], list[str]]) -> None:
    assert list(DATASETS[name].classes) == list(classes())
