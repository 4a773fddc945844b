"""The official files of datasets, in small: laid out as torchvision's classes look for them."""

from __future__ import annotations

import bz2
import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.data.idx_files import encode_idx
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.data.prepare.catalog import published
from tui_trainer.data.prepare.catalog.published import PublishedFile

TRAIN, TEST = 20, 10
_COUNTS = {"train": TRAIN, "test": TEST}


def shrink(name: str, **changes: Any) -> DatasetEntry:
    """The entry of a dataset with few samples."""
    return msgspec.structs.replace(
        DATASETS[name], **({"train_count": TRAIN, "test_count": TEST} | changes)
    )


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def publish(monkeypatch: pytest.MonkeyPatch, name: str, *files: Path, url: str = "") -> None:
    """Let these files be those that a dataset is published in."""
    listed = tuple(
        PublishedFile(file.name, md5_of(file.read_bytes()), (f"{url}{file.name}",))
        for file in files
    )
    monkeypatch.setitem(published.PUBLISHED, name, listed)


def _random(shape: tuple[int, ...], high: int = 256) -> Any:
    return np.random.default_rng(len(shape) + shape[0]).integers(0, high, shape, dtype=np.uint8)


def _labels(count: int, num_classes: int) -> Any:
    return (np.arange(count) % num_classes).astype(np.uint8)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def make_idx(name: str, folder: Path) -> DatasetEntry:
    """The four files of MNIST, or of what is published as MNIST is."""
    raw = folder / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}.get(
        name, name.split("-")[0].upper()
    )
    part = {"emnist": "balanced", "emnist-letters": "letters", "emnist-digits": "digits"}.get(name)
    for split, count in _COUNTS.items():
        images, labels = _random((count, 28, 28)), _labels(count, DATASETS[name].num_classes)
        stem = {"train": "train", "test": "t10k"}[split]
        if part is not None:
            stem, labels = f"emnist-{part}-{split}", labels + (part == "letters")
        kind, content = "labels-idx1-ubyte", encode_idx(labels)
        if name == "qmnist":
            stem, kind = f"qmnist-{split}", "labels-idx2-int"
            table = np.arange(count * 8).reshape(count, 8)
            table[:, 0] = labels
            content = bytes([0, 0, 12, 2]) + np.array([count, 8], ">u4").tobytes()
            content += table.astype(">i4").tobytes()
        _write(raw / "raw" / f"{stem}-images-idx3-ubyte", encode_idx(images))
        _write(raw / "raw" / f"{stem}-{kind}", content)
    return shrink(name)


def pickle_as_python_2(batch: dict[str, Any]) -> bytes:
    """A dictionary of an array of bytes and lists, as Python 2 pickled those of CIFAR."""
    out = bytearray(b"\x80\x02}q\x01(")
    for key, value in batch.items():
        out += b"U" + bytes([len(key)]) + key.encode()
        if isinstance(value, np.ndarray):
            out += b"cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
            out += b"U\x01b\x87Rq\x05(K\x01"
            out += b"".join(b"M" + struct.pack("<H", size) for size in value.shape)
            out += b"\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNN"
            out += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<L", value.size)
            out += value.tobytes() + b"tb"
        else:
            out += b"]("
            for one in value:
                text = isinstance(one, str)
                out += b"U" + bytes([len(one)]) + one.encode() if text else b"K" + bytes([one])
            out += b"e"
    return bytes(out + b"u.")


def make_cifar(name: str, folder: Path) -> DatasetEntry:
    entry = shrink(name)
    is_small = name == "cifar10"
    base = folder / ("cifar-10-batches-py" if is_small else "cifar-100-python")
    files = {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]}
    if not is_small:
        files = {"train": ["train"], "test": ["test"]}
    for split, names in files.items():
        count = _COUNTS[split] // len(names)
        for seed, file in enumerate(names):
            data = _random((count, 3072)) + np.uint8(seed)
            labels = [int(label) for label in _labels(count, 10)]
            batch = {"labels" if is_small else "fine_labels": labels, "data": data}
            _write(base / file, pickle_as_python_2(batch | {"filenames": ["a.png"] * count}))
    meta = {"label_names" if is_small else "fine_label_names": list(entry.classes)}
    _write(base / ("batches.meta" if is_small else "meta"), pickle_as_python_2(meta))
    return entry


def make_svhn(name: str, folder: Path) -> DatasetEntry:
    from scipy.io import savemat

    folder.mkdir(parents=True, exist_ok=True)
    for split, count in _COUNTS.items():
        images, labels = _random((32, 32, 3, count)), _labels(count, 10)[:, None] + 1
        savemat(folder / f"{split}_32x32.mat", {"X": images, "y": labels}, do_compression=True)
    return shrink(name)


def make_usps(name: str, folder: Path) -> DatasetEntry:
    for file, count in (("usps.bz2", TRAIN), ("usps.t.bz2", TEST)):
        lines = []
        for label, pixels in zip(_labels(count, 10), _random((count, 256)), strict=True):
            words = [f"{n}:{pixel / 127.5 - 1:.4f}" for n, pixel in enumerate(pixels, 1)]
            lines.append(f"{label + 1} {' '.join(words)} \n")
        _write(folder / file, bz2.compress("".join(lines).encode()))
    return shrink(name)


def make_stl10(name: str, folder: Path) -> DatasetEntry:
    base = folder / "stl10_binary"
    for split, count in _COUNTS.items():
        _write(base / f"{split}_X.bin", _random((count, 3, 96, 96)).tobytes())
        _write(base / f"{split}_y.bin", (_labels(count, 10) + 1).tobytes())
    _write(base / "unlabeled_X.bin", _random((2, 3, 96, 96)).tobytes())
    return shrink(name)


def write_photo(file: Path, seed: int, mode: str = "RGB") -> None:
    """A small JPEG in colour, another for each seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((16, 16)).convert(mode).save(file, "JPEG", quality=95)


def make_caltech(name: str, folder: Path) -> DatasetEntry:
    base = folder / "caltech101" / "101_ObjectCategories"
    for label, kind in enumerate(("BACKGROUND_Google", "Faces", "accordion", "yin_yang")):
        for number in range(1, 6):
            write_photo(base / kind / f"image_{number:04d}.jpg", 10 * label + number)
    return shrink(name, class_count=3)


def make_pets(name: str, folder: Path) -> DatasetEntry:
    base = folder / "oxford-iiit-pet"
    breeds = ("Abyssinian", "american_bulldog", "Egyptian_Mau")
    for part, numbers in (("trainval", range(1, 6)), ("test", range(6, 9))):
        lines = []
        for label, breed in enumerate(breeds, 1):
            for number in numbers:
                lines.append(f"{breed}_{number} {label} {1 + label % 2} {label}\n")
                write_photo(base / "images" / f"{breed}_{number}.jpg", 10 * label + number)
        _write(base / "annotations" / f"{part}.txt", "".join(lines).encode())
    (base / "annotations" / "trimaps").mkdir()
    return shrink(name, class_count=3)


def make_flowers(name: str, folder: Path) -> DatasetEntry:
    from scipy.io import savemat

    base = folder / "flowers-102"
    for number in range(1, 13):
        write_photo(base / "jpg" / f"image_{number:05d}.jpg", number)
    savemat(base / "imagelabels.mat", {"labels": np.arange(12, dtype=np.uint8)[None] % 3 + 1})
    numbers = np.random.default_rng(0).permutation(12).astype(np.uint16)[None] + 1
    parts = {"trnid": numbers[:, :6], "valid": numbers[:, 6:9], "tstid": numbers[:, 9:]}
    savemat(base / "setid.mat", parts)
    return shrink(name)


def make_food(name: str, folder: Path) -> DatasetEntry:
    base = folder / "food-101"
    lists: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for label, dish in enumerate(("waffles", "apple_pie", "baby_back_ribs")):
        for number in range(100, 106):
            split = "train" if number < 104 else "test"
            lists[split].setdefault(dish, []).append(f"{dish}/{number}")
            write_photo(base / "images" / dish / f"{number}.jpg", 1000 * label + number)
    for split, photos in lists.items():
        _write(base / "meta" / f"{split}.json", json.dumps(photos).encode())
    return shrink(name, class_count=3)


MAKERS: dict[str, Callable[[str, Path], DatasetEntry]] = {
    **dict.fromkeys(
        ["mnist", "fashion-mnist", "kmnist", "emnist", "emnist-letters", "emnist-digits", "qmnist"],
        make_idx,
    ),
    "cifar10": make_cifar,
    "cifar100": make_cifar,
    "svhn": make_svhn,
    "usps": make_usps,
    "stl10": make_stl10,
    "caltech101": make_caltech,
    "oxford-pets": make_pets,
    "flowers102": make_flowers,
    "food101": make_food,
}

# What is only read where its MD5 is the published one.
INSISTED = {
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
    "flowers102": ("flowers-102/imagelabels.mat", "flowers-102/setid.mat"),
}


def make_official(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetEntry:
    """Write the official files of a dataset in small; the entry that fits them comes back."""
    entry = MAKERS[name](name, folder)
    if name in INSISTED:
        publish(monkeypatch, name, *(folder / file for file in INSISTED[name]))
    return entry
