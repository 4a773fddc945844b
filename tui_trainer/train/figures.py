"""Figures of steps, gathered on the device and brought to the host in blocks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tui_trainer.train.step import StepFigures

_BLOCK_S = 0.1
_MAX_BLOCK_STEPS = 2000

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Figures of consecutive steps on the host; `first` is the 1-based number of the first.

    `num_samples` counts every sample trained on, `counted` those per step whose label counts;
    `correct` is None where nothing is classified.
    """

    first: int
    lr: Sequence[float]
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
        return (self.correct / np.maximum(self.counted, 1.0)).astype(np.float32)

    def loss_sum(self, chosen: Mask) -> float:
        """Loss summed over the samples of the chosen steps of the block."""
        return float(np.dot(self.loss[chosen].astype(np.float64), self.counted[chosen]))

    def is_finite(self, *, with_gradient: bool) -> Mask:
        """For each step whether its loss, and its gradient norm where asked, is finite."""
        is_good: Mask = np.isfinite(self.loss + self.grad_norm if with_gradient else self.loss)
        return is_good


@dataclass
class _Departed:
    """A block on its way to the host: valid once `arrived` has happened."""

    first: int
    lr: tuple[float, ...]
    counts: tuple[int, ...]
    names: tuple[str, ...]
    figures_FN: Floats | torch.Tensor
    arrived: torch.cuda.Event | None
    duration_s: float


class FigureGatherer:
    """Collects the figures of each step and hands them over every `interval_s`, about 100 ms.

    On a CUDA device a block is copied to pinned memory while training goes on and handed over
    when the next one leaves, so that the loop does not wait for the device.
    """

    def __init__(self, device: torch.device) -> None:
        self.interval_s = _BLOCK_S
        self._device = device
        self._steps: list[tuple[StepFigures, float, int]] = []
        self._first = 0
        self._departed: _Departed | None = None
        self.restart_clock()

    def restart_clock(self) -> None:
        """Do not count the time since the last block as training."""
        self._since = time.perf_counter()

    def add(self, step: int, figures: StepFigures, lr: float, count: int) -> bool:
        """Take the figures of a step that trained on `count` samples; is a block due now?"""
        steps = self._steps
        if not steps:
            self._first = step
        steps.append((figures, lr, count))
        return (
            time.perf_counter() - self._since >= self.interval_s or len(steps) >= _MAX_BLOCK_STEPS
        )

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
        if not self._steps:
            return None
        figures, lr, counts = zip(*self._steps, strict=True)
        columns = {
            name: column
            for name, column in zip(StepFigures._fields, zip(*figures, strict=True), strict=True)
            if column[0] is not None
        }
        figures_FN, arrived = _send_off(list(columns.values()), self._device)
        now = time.perf_counter()
        departed = _Departed(
            self._first, lr, counts, tuple(columns), figures_FN, arrived, now - self._since
        )
        self._steps, self._since = [], now
        return departed

    def _receive(self, departed: _Departed) -> Block:
        if departed.arrived is not None:
            departed.arrived.synchronize()
        figures_FN = departed.figures_FN
        if isinstance(figures_FN, torch.Tensor):
            figures_FN = figures_FN.cpu().numpy()
        found = dict(zip(departed.names, figures_FN, strict=True))
        return Block(
            departed.first,
            departed.lr,
            sum(departed.counts),
            found["loss"],
            found["grad_norm"],
            found.get("correct"),
            found.get("counted", np.asarray(departed.counts, np.float32)),
            departed.duration_s,
        )


def _send_off(
    columns: Sequence[tuple[torch.Tensor, ...]], device: torch.device
) -> tuple[Floats | torch.Tensor, torch.cuda.Event | None]:
    """Columns of N scalars on their way to the host, and what tells that they have arrived."""
    if device.type == "cpu":
        # Here nothing is waited for, and one by one they come sooner than stacked.
        values = map(torch.Tensor.item, itertools.chain.from_iterable(columns))
        return np.fromiter(values, np.float32).reshape(len(columns), -1), None
    figures_FN = torch.stack([torch.stack(column).float() for column in columns])
    if device.type != "cuda":
        return figures_FN, None
    pinned_FN = torch.empty(figures_FN.shape, pin_memory=True)
    pinned_FN.copy_(figures_FN, non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return pinned_FN, arrived
