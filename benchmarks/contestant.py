"""A contestant of the step benchmark as a process: `python -m benchmarks.contestant NAME`.

Every contestant trains the network `mnist-example` on the 60 000 images of MNIST in batches of 64
drawn anew each epoch, in single precision, by SGD with learning rate 0.01 and momentum 0.5.
"""

from __future__ import annotations

import argparse
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

MODULES = {
    "tuitrain": "benchmarks.engine",
    "tight loop": "benchmarks.loops",
    "tight loop again": "benchmarks.loops",
    "DataLoader loop": "benchmarks.loops",
    "Lightning": "benchmarks.peers.with_lightning",
    "Ignite": "benchmarks.peers.with_ignite",
    "Keras": "benchmarks.peers.with_keras",
    "skorch": "benchmarks.peers.with_skorch",
}


class Steps(Protocol):
    """Who is told of each step."""

    def step_done(self) -> None:
        """Go on, or raise `Ended`."""


@dataclass(frozen=True)
class Course:
    """What a contestant is to train on and with, and who to tell of each step."""

    name: str
    data_dir: Path
    runs_dir: Path
    device: str
    threads: int
    pacer: Steps


def main() -> None:
    """Train until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MODULES)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="tuitrain's runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="train so many without pauses, then end")
    given = parser.parse_args()
    if given.name != "tuitrain":
        # As users set it; tuitrain's own worker chooses by itself how its threads wait.
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    pacer = None if given.steps else Pacer(_synchronizer(given.device))
    course = Course(
        name=given.name,
        data_dir=choose_data_dir(given.data_dir),
        runs_dir=given.runs,
        device=given.device,
        threads=given.threads,
        pacer=pacer or StepLimit(given.steps),
    )
    train: Callable[[Course], dict[str, Any] | None] = importlib.import_module(
        MODULES[given.name]
    ).train
    facts = None
    try:
        facts = train(course)
    except Ended:
        pass
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
