"""Randomness for a user's own code, which may draw from any generator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everywhere(seed: int) -> None:
    """Put the generators of Python, numpy and torch, of the latter on the processor, at `seed`."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))


@contextmanager
def randomness_from(seed: int) -> Iterator[None]:
    """The generators of Python, numpy and torch stand at `seed`, and where they were afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            seed_everywhere(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
