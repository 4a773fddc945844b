"""A bare script that trains on the digits as `tuitrain train digits` does: the same work, no more.

python bare_digits.py FOLDER SETTINGS, where FOLDER holds the prepared digits and SETTINGS is JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_model() -> nn.Module:
    """The network of `tuitrain train digits`: three convolutions, each halving the image."""
    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64)):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))


def load(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Images of a split, as floats, and labels."""
    images = np.load(folder / f"{split}-inputs.npy")
    return torch.from_numpy(images).float(), torch.from_numpy(
        np.load(folder / f"{split}-labels.npy")
    )


def judge(model: nn.Module, images_NCHW: Tensor, labels_N: Tensor) -> float:
    """The share of samples classified rightly."""
    model.eval()
    with torch.inference_mode():
        return float((model(images_NCHW).argmax(1) == labels_N).float().mean())


def train(model: nn.Module, images: Tensor, labels: Tensor, settings: dict[str, Any]) -> float:
    """Train with a tenth held out, judged after every epoch; the best accuracy on it."""
    order_N = torch.randperm(len(labels))
    held_out = round(settings["validation"] * len(labels))
    valid_N, train_N = order_N[:held_out], order_N[held_out:]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"]
    )
    batch_size, epochs = settings["batch_size"], settings["epochs"]
    steps = -(-len(train_N) // batch_size) * epochs
    warm_steps = max(1, int(settings["warmup"] * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_steps, (steps - step) / (steps - warm_steps))
    )
    best = 0.0
    for _ in range(epochs):
        model.train()
        for chosen_B in torch.split(train_N[torch.randperm(len(train_N))], batch_size):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[chosen_B]), labels[chosen_B])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        best = max(best, judge(model, images[valid_N], labels[valid_N]))
    return best


def main() -> None:
    """Train, and judge on the test split."""
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    images, labels = load(folder, "train")
    mean, deviation = images.mean(), images.std()
    model = make_model()
    train(model, (images - mean) / deviation, labels, settings)
    test_images, test_labels = load(folder, "test")
    print(json.dumps({"accuracy": judge(model, (test_images - mean) / deviation, test_labels)}))


if __name__ == "__main__":
    main()
