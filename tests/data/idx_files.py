"""Writing IDX files for tests."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

_STEMS = {"train": "train", "test": "t10k"}


def encode_idx(array: np.ndarray, type_code: int = 8) -> bytes:
    """The bytes of an IDX file that holds a uint8 array."""
    header = bytes([0, 0, type_code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_idx_folder(folder: Path, arrays: dict[str, tuple[Any, Any]], *, zipped: bool) -> None:
    """The four files of MNIST, holding images N×1×H×W and labels N by split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, (images, labels) in arrays.items():
        for kind, dimensions, array in (("images", 3, images[:, 0]), ("labels", 1, labels)):
            content = encode_idx(array)
            name = f"{_STEMS[split]}-{kind}-idx{dimensions}-ubyte"
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
            else:
                (folder / name).write_bytes(content)
