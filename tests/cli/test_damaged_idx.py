"""IDX files that are not what they should be are refused whole: no dataset appears."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.checks import check_error
from tests.command import Home

NAMES = {
    "images": ("train-images-idx3-ubyte.gz", (60_000, 28, 28)),
    "labels": ("train-labels-idx1-ubyte.gz", (60_000,)),
    "test images": ("t10k-images-idx3-ubyte.gz", (10_000, 28, 28)),
    "test labels": ("t10k-labels-idx1-ubyte.gz", (10_000,)),
}
IMAGES, LABELS = NAMES["images"][0], NAMES["labels"][0]


def idx(shape: tuple[int, ...], *, fill: int = 0) -> bytes:
    count = 1
    for size in shape:
        count *= size
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + bytes([fill]) * count


def pack(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1)


@pytest.fixture(scope="session")
def blank_mnist(prepare_once: Callable[..., Path]) -> Path:
    """Four IDX files of MNIST's shapes, all black, the labels in turn; not to be changed."""

    def fill(folder: Path) -> None:
        for name, shape in NAMES.values():
            content = idx(shape)
            if len(shape) == 1:
                content = content[:8] + bytes(range(10)) * (shape[0] // 10)
            (folder / name).write_bytes(pack(content))

    return prepare_once("blank-mnist", fill)


def swap(folder: Path) -> None:
    (folder / IMAGES).rename(folder / "kept")
    (folder / LABELS).rename(folder / IMAGES)
    (folder / "kept").rename(folder / LABELS)


def replace(name: str, content: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Damages a file: its gzipped bytes are replaced."""
    return lambda folder: (folder / name).write_bytes(content((folder / name).read_bytes()))


def unpacked(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda content: pack(change(gzip.decompress(content)))


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "truncated": (replace(LABELS, unpacked(lambda c: c[:-1])), "ends too early", "good copy"),
    "wrong magic": (replace(LABELS, unpacked(lambda c: b"PK" + c[2:])), "not begin like", "good"),
    "not bytes": (replace(LABELS, unpacked(lambda c: b"\0\0\x0d" + c[3:])), "type 13", "mixed up"),
    "swapped": (swap, "1-dimensional .* not 3-dimensional", "mixed up"),
    "test as train": (
        lambda folder: shutil.copy(folder / NAMES["test labels"][0], folder / LABELS),
        "has the shape 10000, not 60000",
        "right file",
    ),
    "label 10": (replace(LABELS, unpacked(lambda c: c[:-1] + b"\x0a")), "0 to 10", "label file"),
    "extra bytes": (replace(LABELS, unpacked(lambda c: c + b"\0")), "bytes after its end", "good"),
    "gzip cut": (replace(LABELS, lambda c: c[:-12]), "is damaged", "good copy"),
    "gzip bit": (replace(LABELS, lambda c: c[:-8] + b"\xff" + c[-7:]), "is damaged", "good copy"),
    "empty": (replace(LABELS, lambda c: b""), "not begin like an IDX file", "good copy"),
    "missing": (lambda folder: (folder / IMAGES).unlink(), "has no train-images", "Name a folder"),
    "no folder": (shutil.rmtree, "is no folder and no archive", "Name a folder"),
    "a folder": (
        lambda folder: [(folder / LABELS).unlink(), (folder / LABELS).mkdir()],
        "has no train-labels-idx1",
        "Name a folder",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_file_is_refused_and_named(
    home: Home, blank_mnist: Path, tmp_path: Path, kind: str
) -> None:
    damage, message, hint = DAMAGE[kind]
    folder, data = tmp_path / "files", tmp_path / "data"
    shutil.copytree(blank_mnist, folder)
    damage(folder)
    done = home.call("data", "import", "mnist", str(folder), "--data-dir", str(data))
    check_error(done, status=2, message=message, hint=hint, talk="preparing mnist\n")
    assert not data.exists() or not [file for file in data.iterdir() if file.suffix != ".lock"]


def test_whole_files_that_are_not_the_published_ones_are_taken_and_told(
    home: Home, blank_mnist: Path, tmp_path: Path
) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    shown = home.json("data", "import", "mnist", str(blank_mnist), *where)
    assert shown["origin"] == "imported: not the published files"
    assert home.json("data", "info", "mnist", *where)["prepared"] is True


def test_dataset_changed_on_disk_is_found_by_verify_and_by_train(
    home: Home, digits_data: Path, tmp_path: Path
) -> None:
    home.data = tmp_path / "data"
    shutil.copytree(digits_data, home.data)
    file = home.data / "digits" / "train-labels.npy"
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    message = "train-labels.npy is damaged: its SHA-256 is not the recorded one"
    done = home.call("data", "verify", "digits")
    assert (done.returncode, message in done.stdout, "data get digits" in done.stdout) == (
        1,
        True,
        True,
    )
    done = home.call("train", "digits")
    check_error(done, status=2, message=message, hint="data get digits")
    assert not home.run().exists()
    assert home.call("resume", "1").returncode == 2
