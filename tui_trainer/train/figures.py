"""Figures of steps, gathered on the device and brought to the host in blocks.

Shapes: N steps, F figures of each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from tui_trainer.train.step import StepFigures

_BLOCK_S = 0.1
_MAX_BLOCK_STEPS = 2000

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
EVERY_STEP = slice(None)


class Block(msgspec.Struct, frozen=True, eq=False):
    """Figures of consecutive steps on the host; `first` is the 1-based number of the first.

    `num_samples` counts every sample trained on, `counted` those per step whose label counts;
    `correct` is None where nothing is classified.
    """

    first: int
    lr: Floats
    num_samples: int
    loss: Floats
    grad_norm: Floats
    correct: Floats | None
    counted: Floats
    duration_s: float

    @property
    def accuracy(self) -> Floats:
        """Share of each step's samples classified rightly; empty where nothing is classified."""
        if self.correct is None:
            return np.empty(0, np.float32)
        return np.divide(self.correct, np.maximum(self.counted, 1.0), dtype=np.float32)

    def sum_up(self, chosen: Mask | slice) -> tuple[float, float, int]:
        """Over the chosen steps: the sum of loss × samples, samples right, samples that count."""
        # In float32 a sum of counts is rounded from 2**24 on.
        loss = self.loss[chosen].astype(np.float64)
        counted = self.counted[chosen].astype(np.float64)
        correct = 0.0 if self.correct is None else _sum(self.correct[chosen])
        return float(np.dot(loss, counted)), float(correct), int(_sum(counted))

    def are_all_finite(self, *, with_gradient: bool) -> bool:
        """Whether `is_finite` holds for every step."""
        # In one pass: a product with NaN or infinity is never finite, nor is that of two numbers
        # whose sum is too large for float32. What is too large here may be finite all the same.
        product = np.dot(self.loss, self.grad_norm if with_gradient else self.loss)
        return math.isfinite(product) or bool(self.is_finite(with_gradient=with_gradient).all())

    def is_finite(self, *, with_gradient: bool) -> Mask:
        """For each step whether its loss, and its gradient norm where asked, is finite."""
        is_good: Mask = np.isfinite(self.loss + self.grad_norm if with_gradient else self.loss)
        return is_good


def _sum(values: Floats | npt.NDArray[np.float64]) -> np.float64:
    # What `values.sum` comes to in the end.
    total: np.float64 = np.add.reduce(values, dtype=np.float64)
    return total


@dataclass
class _Departed:
    """A block on its way to the host: valid once `arrived` has happened."""

    first: int
    lr: array[float]
    counts: array[float]
    figures_NF: Floats
    arrived: torch.cuda.Event | None
    duration_s: float


class FigureGatherer:
    """Keeps a table of the figures of steps and hands it over every `interval_s`, about 100 ms.

    A step leaves its figures in a row of the table, so that a block of them is one copy. On a CUDA
    device it is copied to pinned memory while training goes on and handed over when the next one
    leaves, so that the loop does not wait for the device.
    """

    def __init__(self, device: torch.device, names: Sequence[str]) -> None:
        """`names` are the fields of `StepFigures` that steps fill."""
        self.interval_s = _BLOCK_S
        self._device = device
        self._names = names
        # On the CPU it is the table itself, to be read without a detour.
        self._host_NF = np.zeros((_MAX_BLOCK_STEPS, len(names)), np.float32)
        self._table_NF = torch.from_numpy(self._host_NF).to(device)
        # Of those rows that were needed so far, what a step is given.
        self._rows: list[StepFigures] = []
        self._lr, self._counts = array("f"), array("f")
        self._first = 0
        self._departed: _Departed | None = None
        self.restart_clock()

    def restart_clock(self) -> None:
        """Do not count the time since the last block as training."""
        self._since = perf_counter()

    def next_row(self) -> StepFigures:
        """Where the step to come is to leave its figures."""
        try:
            return self._rows[len(self._lr)]
        except IndexError:
            figures = zip(self._names, self._table_NF[len(self._lr)].unbind(), strict=True)
            self._rows.append(StepFigures(**dict(figures)))
            return self._rows[-1]

    def add(self, step: int, lr: float, count: int) -> bool:
        """Take what `next_row` was filled with: a step on `count` samples; is a block due now?"""
        gathered = self._lr
        if not gathered:
            self._first = step
        gathered.append(lr)
        self._counts.append(count)
        return perf_counter() - self._since >= self.interval_s or len(gathered) >= _MAX_BLOCK_STEPS

    def send(self) -> list[Block]:
        """Send off what was gathered; blocks that have arrived come back."""
        before = self._departed
        self._departed = self._depart()
        if self._device.type != "cuda":
            return [self._receive(self._departed)] if self._departed else []
        return [self._receive(before)] if before else []

    def drain(self) -> list[Block]:
        """Every block not handed over yet, the newest included."""
        blocks = self.send()
        if self._departed is not None and self._device.type == "cuda":
            blocks.append(self._receive(self._departed))
        self._departed = None
        return blocks

    def _depart(self) -> _Departed | None:
        if not self._lr:
            return None
        figures_NF, arrived = self._send_off(len(self._lr))
        now = perf_counter()
        departed = _Departed(
            self._first, self._lr, self._counts, figures_NF, arrived, now - self._since
        )
        self._lr, self._counts, self._since = array("f"), array("f"), now
        return departed

    def _receive(self, departed: _Departed) -> Block:
        if departed.arrived is not None:
            departed.arrived.synchronize()
        # The table is written anew while the block is in use.
        columns = np.array(departed.figures_NF.T, order="C")
        found = dict(zip(self._names, columns, strict=True))
        counts = np.frombuffer(departed.counts, np.float32)
        return Block(
            departed.first,
            np.frombuffer(departed.lr, np.float32),
            int(_sum(counts)),
            found["loss"],
            found["grad_norm"],
            found.get("correct"),
            found.get("counted", counts),
            departed.duration_s,
        )

    def _send_off(self, count: int) -> tuple[Floats, torch.cuda.Event | None]:
        """The first `count` rows on their way to the host, and what tells that they are there."""
        if self._device.type == "cpu":
            return self._host_NF[:count], None
        if self._device.type != "cuda":
            return self._table_NF[:count].cpu().numpy(), None
        pinned_NF = torch.empty((count, len(self._names)), pin_memory=True)
        pinned_NF.copy_(self._table_NF[:count], non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        return pinned_NF.numpy(), arrived
