"""Figures of steps, gathered on the device and brought to the host in blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tui_trainer.core.events import Number, number
from tui_trainer.train.step import StepFigures

_BLOCK_S = 0.1
_MAX_BLOCK_STEPS = 2000

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Figures of consecutive steps on the host; `first` is the 1-based number of the first."""

    first: int
    lr: list[float]
    counts: list[int]
    loss: Floats
    grad_norm: Floats
    correct: Floats
    duration_s: float

    @property
    def accuracy(self) -> Floats:
        """Share of each step's samples classified rightly."""
        return (self.correct / np.asarray(self.counts, np.float32)).astype(np.float32)

    @property
    def loss_sum(self) -> float:
        """Loss summed over the samples of the block."""
        return float(np.dot(self.loss.astype(np.float64), self.counts))

    @property
    def first_non_finite(self) -> int | None:
        """The first step whose loss or gradient norm is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.loss + self.grad_norm))
        return self.first + int(bad[0]) if len(bad) else None


@dataclass
class _Departed:
    """A block on its way to the host: valid once `arrived` has happened."""

    first: int
    lr: list[float]
    counts: list[int]
    figures_3N: torch.Tensor
    arrived: torch.cuda.Event | None
    duration_s: float


class FigureGatherer:
    """Collects the figures of each step and hands them over about every 100 ms.

    On a CUDA device a block is copied to pinned memory while training goes on and handed over
    when the next one leaves, so that the loop does not wait for the device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._figures: list[StepFigures] = []
        self._lr: list[float] = []
        self._counts: list[int] = []
        self._first = 0
        self._departed: _Departed | None = None
        self.restart_clock()

    def restart_clock(self) -> None:
        """Do not count the time since the last block as training."""
        self._since = time.perf_counter()

    def add(self, step: int, figures: StepFigures, lr: float, count: int) -> None:
        """Take the figures of a step that trained on `count` samples."""
        if not self._figures:
            self._first = step
        self._figures.append(figures)
        self._lr.append(lr)
        self._counts.append(count)

    @property
    def is_due(self) -> bool:
        """Whether it is time to send a block."""
        late = time.perf_counter() - self._since >= _BLOCK_S
        return late or len(self._figures) >= _MAX_BLOCK_STEPS

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
        if not self._figures:
            return None
        columns = zip(*self._figures, strict=True)
        figures_3N = torch.stack([torch.stack(column).float() for column in columns])
        arrived = None
        if self._device.type == "cuda":
            pinned_3N = torch.empty(figures_3N.shape, pin_memory=True)
            pinned_3N.copy_(figures_3N, non_blocking=True)
            figures_3N = pinned_3N
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        now = time.perf_counter()
        departed = _Departed(
            self._first, self._lr, self._counts, figures_3N, arrived, now - self._since
        )
        self._figures, self._lr, self._counts, self._since = [], [], [], now
        return departed

    def _receive(self, departed: _Departed) -> Block:
        if departed.arrived is not None:
            departed.arrived.synchronize()
        loss, grad_norm, correct = departed.figures_3N.cpu().numpy()
        return Block(
            departed.first,
            departed.lr,
            departed.counts,
            loss,
            grad_norm,
            correct,
            departed.duration_s,
        )


def shortest_floats(values: Floats) -> tuple[Number, ...]:
    """Each value as the shortest decimal that is the same float32; non-finite ones as words."""
    texts = values.astype("U32")
    if np.isfinite(values).all():
        return tuple(texts.astype(np.float64).tolist())
    return tuple(number(float(text)) for text in texts)
