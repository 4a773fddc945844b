"""Scalars for TensorBoard, through tensorboardX."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from tui_trainer.core.config.tensorboard import TensorboardConfig
from tui_trainer.train.figures import Block, Floats


class ScalarBoard:
    """Writes the run's curves; a training point is the mean since the last one."""

    def __init__(
        self, folder: Path, config: TensorboardConfig, *, from_step: int | None = None
    ) -> None:
        """`from_step` is the step that a resumed session goes on from; None in the first one."""
        self._every_s = config.every_s
        # Points after `from_step` were written by a session whose steps are trained again.
        purge_step = None if from_step is None else from_step + 1
        self._writer = None
        if config.scalars:
            # Two sessions begun in one second would share, and lose, a file; readers sort by name.
            suffix = f".{time.time_ns()}"
            self._writer = SummaryWriter(str(folder), purge_step=purge_step, filename_suffix=suffix)
        self._blocks: list[Block] = []
        self._due = 0.0

    def add_block(self, block: Block) -> None:
        """Take a block of steps; a point is written when the last one is old enough."""
        if self._writer is None:
            return
        self._blocks.append(block)
        if time.monotonic() >= self._due:
            self._write_blocks()

    def add_metrics(self, split: str, metrics: dict[str, float], step: int) -> None:
        """The figures of an epoch or an evaluation."""
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(f"{name}/{split}", value, step)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            if self._blocks:
                self._write_blocks()
            self._writer.close()

    def _write_blocks(self) -> None:
        assert self._writer is not None
        blocks, self._blocks = self._blocks, []
        self._due = time.monotonic() + self._every_s
        step = blocks[-1].first + len(blocks[-1].loss) - 1
        count = sum(block.num_samples for block in blocks)
        duration_s = sum(block.duration_s for block in blocks)
        scalars = {
            "loss/step": np.mean(np.concatenate([block.loss for block in blocks])),
            "grad_norm": _mean_finite(np.concatenate([block.grad_norm for block in blocks])),
            "lr": blocks[-1].lr[-1],
            "samples_per_s": count / max(duration_s, 1e-9),
        }
        for name, value in scalars.items():
            self._writer.add_scalar(name, float(value), step)


def _mean_finite(values: Floats) -> np.floating[Any]:
    """The mean without overflows, by which fp16 finds its loss scale; NaN where all are."""
    finite = values[np.isfinite(values)]
    return np.mean(finite) if len(finite) else np.float32(np.nan)
