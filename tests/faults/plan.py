"""How much to break: a little with every change, a lot by `python -m tests.faults`."""

from __future__ import annotations

import os
import random

IS_LONG = os.environ.get("TUITRAIN_FAULTS") == "long"
SEED = int(os.environ.get("TUITRAIN_FAULTS_SEED", "1"))

KILLS = 200 if IS_LONG else 25
BIT_FLIPS = 10_000 if IS_LONG else 1_500
SEQUENCES = 1_000 if IS_LONG else 40

REPLAY = f"python -m tests.faults --seed {SEED}"
"""What repeats the random choices of these tests."""


def choices_of(name: str) -> random.Random:
    """Random choices of the test `name`, the same for the same seed."""
    return random.Random(f"{SEED} {name}")
