"""MNIST from its four IDX files: given in a folder, or downloaded through torchvision."""

from __future__ import annotations

import hashlib
import socket
import tempfile
from pathlib import Path

import numpy as np

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.data.idx import read_idx
from tui_trainer.data.prepared import Arrays
from tui_trainer.errors import DatasetError

_CONNECT_TIMEOUT_S = 15.0
_STEMS = {
    ("train", "images"): "train-images",
    ("train", "labels"): "train-labels",
    ("test", "images"): "t10k-images",
    ("test", "labels"): "t10k-labels",
}
# MD5 of the four published files, unpacked, headers included.
_PUBLISHED_MD5 = {
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
}


def import_mnist(folder: Path, entry: DatasetEntry) -> tuple[Arrays, str]:
    """The arrays in the four IDX files in `folder`, and whether they are the published ones.

    Raises:
        DatasetError: a file is missing or damaged, or has another shape than MNIST's.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is not a folder.", "Name the folder that holds the four IDX files."
        )
    counts = {"train": entry.train_count, "test": entry.test_count}
    side = entry.shape[1:]
    arrays: Arrays = {}
    published = True
    for split, count in counts.items():
        images = read_idx(_find(folder, _STEMS[split, "images"], 3), (count, *side))
        labels = read_idx(_find(folder, _STEMS[split, "labels"], 1), (count,))
        for kind, array in (("images", images), ("labels", labels)):
            published &= _md5_with_header(array) == _PUBLISHED_MD5[_STEMS[split, kind]]
        arrays[split] = (images.reshape(count, *entry.shape), labels.astype(np.int64))
    told = "the published files (MD5 checked)" if published else "not the published files"
    return arrays, f"imported: {told}"


def download_mnist(entry: DatasetEntry) -> tuple[Arrays, str]:
    """The arrays of MNIST, downloaded through torchvision into a folder that is then removed.

    Raises:
        DatasetError: the download failed; the message names both ways out.
    """
    from torchvision.datasets import MNIST

    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_TIMEOUT_S)
    try:
        with tempfile.TemporaryDirectory(prefix="tuitrain-") as scratch:
            MNIST(scratch, download=True)
            arrays, origin = import_mnist(Path(scratch) / "MNIST" / "raw", entry)
            return arrays, origin.replace("imported", "downloaded")
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            "MNIST is not in the data folder and could not be downloaded.",
            "Import its four IDX files with: tuitrain data import mnist FOLDER; "
            "or train on digits that need no download with: tuitrain train digits.",
        ) from error
    finally:
        socket.setdefaulttimeout(before_s)


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    names = [
        f"{stem}{separator}idx{dimensions}-ubyte{ending}"
        for separator in "-."
        for ending in ("", ".gz")
    ]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(
        f"{folder} has no file {names[0]} (nor {names[1]}).",
        "Name the folder that holds the four IDX files.",
    )


def _md5_with_header(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()
