"""A contestant of the step benchmark as a process: `python -m benchmarks.contestant NAME`.

Every contestant trains the network `mnist-example` on the 60 000 images of MNIST in batches of 64
drawn anew each epoch, in single precision, by SGD with learning rate 0.01 and momentum 0.5.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.pacer import Ended, Pacer, StepLimit
from tui_trainer.paths import choose_data_dir

BATCH_SIZE = 64
LEARNING_RATE = 0.01
MOMENTUM = 0.5


@dataclass(frozen=True)
class Entry:
    """How a contestant trains: its module, what its DataLoader is fed by, whether it also logs.

    `is_tuned`: memory format and optimizer chosen by someone who knows what this processor likes.
    `images`: torchvision's MNIST and its transforms, one image at a time; `images, 2 workers`: in
    processes of their own; `tensors`: normalised floats that lie in memory already.
    """

    module: str
    feed: str = ""
    logs: bool = False
    is_tuned: bool = False


_LIGHTNING, _IGNITE = "benchmarks.peers.with_lightning", "benchmarks.peers.with_ignite"

ENTRIES = {
    "tuitrain": Entry("benchmarks.engine"),
    "tight loop": Entry("benchmarks.loops"),
    "tight loop again": Entry("benchmarks.loops"),
    "tight loop, tuned": Entry("benchmarks.loops", is_tuned=True),
    "DataLoader loop": Entry("benchmarks.loops", "images"),
    "DataLoader loop, 2 workers": Entry("benchmarks.loops", "images, 2 workers"),
    "DataLoader loop, tensors": Entry("benchmarks.loops", "tensors"),
    "Lightning": Entry(_LIGHTNING, "images"),
    "Lightning, logging": Entry(_LIGHTNING, "images", logs=True),
    "Lightning, tensors": Entry(_LIGHTNING, "tensors"),
    "Ignite": Entry(_IGNITE, "images"),
    "Ignite, tensors": Entry(_IGNITE, "tensors"),
    "Keras": Entry("benchmarks.peers.with_keras"),
    "skorch": Entry("benchmarks.peers.with_skorch"),
}


class Steps(Protocol):
    """Who is told of each step."""

    def step_done(self) -> None:
        """Go on, or raise `Ended`."""


@dataclass(frozen=True)
class Course:
    """What a contestant is to train on and with, and who to tell of each step."""

    feed: str
    logs: bool
    is_tuned: bool
    data_dir: Path
    mnist_root: Path
    runs_dir: Path
    device: str
    threads: int
    pacer: Steps


def main() -> None:
    """Train until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ENTRIES)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="tuitrain's runs")
    parser.add_argument("--mnist-root", type=Path, default=Path(), help="for torchvision's MNIST")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="train so many without pauses, then end")
    given = parser.parse_args()
    if given.name != "tuitrain":
        # As users set it; tuitrain's own worker chooses by itself how its threads wait.
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    entry = ENTRIES[given.name]
    pacer = None if given.steps else Pacer(_synchronizer(given.device))
    course = Course(
        feed=entry.feed,
        logs=entry.logs,
        is_tuned=entry.is_tuned,
        data_dir=choose_data_dir(given.data_dir),
        mnist_root=given.mnist_root,
        runs_dir=given.runs,
        device=given.device,
        threads=given.threads,
        pacer=pacer or StepLimit(given.steps),
    )
    train: Callable[[Course], dict[str, Any] | None] = importlib.import_module(entry.module).train
    facts = None
    with contextlib.suppress(Ended):
        facts = train(course)
    if pacer is not None:
        pacer.report(facts or {})


def _synchronizer(device: str) -> Callable[[], None]:
    if device != "cuda":
        return lambda: None

    def synchronize() -> None:
        import torch

        torch.cuda.synchronize()

    return synchronize


if __name__ == "__main__":
    main()
