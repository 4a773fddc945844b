"""MNIST as torchvision's class expects it, from the prepared dataset."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_PREFIXES = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 0x08


def lay_out(data_dir: Path, root: Path) -> Path:
    """Write the four IDX files under `root`/MNIST/raw, unless they are there; `root` comes back."""
    raw = root / "MNIST" / "raw"
    if raw.exists():
        return root
    raw.mkdir(parents=True)
    for split, prefix in _PREFIXES.items():
        images = np.load(data_dir / "mnist" / f"{split}-inputs.npy")
        labels = np.load(data_dir / "mnist" / f"{split}-labels.npy")
        # The prepared images have a channel, the files of old have not.
        _write_idx(raw / f"{prefix}-images-idx3-ubyte", images[:, 0])
        _write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels.astype(np.uint8))
    return root


def _write_idx(file: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Two zero bytes, the type, the number of dimensions, each size, the bytes; big-endian."""
    header = struct.pack(">HBB", 0, _UNSIGNED_BYTES, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(header + np.ascontiguousarray(array).tobytes())
