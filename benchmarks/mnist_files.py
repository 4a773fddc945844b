"""MNIST's four IDX files as torchvision's MNIST class expects them."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

_NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def lay_out(source: Path, root: Path) -> Path:
    """Unpack or link the files in `source` under `root`/MNIST/raw; `root` comes back.

    Raises:
        SystemExit: a file is missing.
    """
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in _NAMES:
        packed = source / f"{name}.gz"
        if packed.exists():
            with gzip.open(packed) as old, open(raw / name, "wb") as new:
                shutil.copyfileobj(old, new)
        elif (source / name).exists():
            (raw / name).symlink_to((source / name).resolve())
        else:
            raise SystemExit(f"{source} holds neither {name} nor {name}.gz.")
    return root
