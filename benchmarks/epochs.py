"""Passes over a folder of images without any training: a prepared dataset, or torchvision's way.

python -m benchmarks.epochs prepared DATA_DIR NAME
python -m benchmarks.epochs folder FOLDER WORKERS

Prints JSON: samples per second in the second pass, and of a prepared dataset how long opening took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from tui_trainer.data.batches import Batches
from tui_trainer.data.prepared import load_split
from tui_trainer.store.datasets import read_spec

BATCH_SIZE = 128
_MEAN, _STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def main() -> None:
    """Run what the command line names."""
    what, *given = sys.argv[1:]
    if what == "prepared":
        found = pass_prepared(Path(given[0]), given[1])
    else:
        found = pass_folder(Path(given[0]), int(given[1]))
    print(json.dumps(found))


def pass_prepared(data_dir: Path, name: str) -> dict[str, float]:
    """The training split through tuitrain's batches, shuffled and normalised."""
    since = time.perf_counter()
    spec = read_spec(data_dir, name)
    for split in spec.splits:
        inputs, labels = load_split(data_dir, name, split)
    open_s = time.perf_counter() - since
    inputs, labels = load_split(data_dir, name, "train")
    device = torch.device("cpu")
    with Batches(spec, inputs, labels, batch_size=BATCH_SIZE, device=device) as batches:
        _drain(batch.x for batch in batches.shuffled(0, 0))
        rate = _drain(batch.x for batch in batches.shuffled(0, 1))
    return {"open_s": open_s, "samples_per_s": rate}


def pass_folder(folder: Path, workers: int) -> dict[str, float]:
    """All images through torchvision's ImageFolder and a DataLoader, shuffled and normalised."""
    steps = [transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)]
    images = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    loader = DataLoader(
        images, BATCH_SIZE, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    _drain(x for x, _ in loader)
    return {"samples_per_s": _drain(x for x, _ in loader)}


def _drain(batches: Iterable[torch.Tensor]) -> float:
    """Take every batch; samples per second come back."""
    since, count = time.perf_counter(), 0
    for x in batches:
        count += len(x)
    return count / (time.perf_counter() - since)


if __name__ == "__main__":
    main()
