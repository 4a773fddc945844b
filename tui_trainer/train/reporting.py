"""What a training loop tells of its steps: to the event log and to TensorBoard, in blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from tui_trainer.checkpoints.state import EpochTotals
from tui_trainer.core import events
from tui_trainer.core.float32_column import Float32Column
from tui_trainer.errors import NonFiniteError
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.diagnosis import MemoryDiagnosis
from tui_trainer.train.figures import EVERY_STEP, Block, FigureGatherer, Mask
from tui_trainer.train.resources import ResourceSampler
from tui_trainer.train.step import not_finite
from tui_trainer.train.tensorboard import Board

# fp16 finds its loss scale by overflowing now and then; this often in a row it never will.
_MAX_OVERFLOWS = 50
# Steps skipped in a row after which the rest will be no better; seconds between telling of them.
_MAX_SKIPPED = 100
_TELL_SKIPPED_S = 10.0

# What telling may take of the time of training, and how long people wait for it at most.
_LARGEST_SHARE = 0.005
_LONGEST_S = 1.0
_SMOOTHING = 0.2


class StepReporter:
    """Gathers the figures of steps and delivers them about every 100 ms.

    Less often where that would take more than its share of the time, as beside steps that use all
    of the processor and its caches.
    """

    def __init__(
        self,
        writer: RunWriter,
        board: Board,
        device: torch.device,
        figure_names: Sequence[str],
        *,
        steps_per_epoch: int,
        scales_loss: bool,
        skips: bool = False,
    ) -> None:
        """`figure_names` are the fields of `StepFigures` that steps fill.

        `scales_loss`: gradients may overflow now and then, for the scaler to learn from.

        `skips`: steps that are not finite are left out and told of, and training goes on.
        """
        self.totals = EpochTotals()
        self._writer = writer
        self._board = board
        self._steps_per_epoch = steps_per_epoch
        self._scales_loss = scales_loss
        self._num_overflows = 0
        self._skips = skips
        self._num_skipped = 0
        self._skipped_untold: list[int] = []
        self._tell_skipped_due_s = 0.0
        self._gatherer = FigureGatherer(device, figure_names)
        self._shortest_s = self._gatherer.interval_s
        self._cost_s = 0.0
        self._sampler = ResourceSampler(device)
        self._memory = MemoryDiagnosis()
        self._last_step = 0
        self.next_row = self._gatherer.next_row
        self.add = self._gatherer.add
        self.restart_clock = self._gatherer.restart_clock

    def deliver(self) -> None:
        """Send off what was gathered and log the blocks that have arrived.

        Raises:
            NonFiniteError: a step among them was not finite.
        """
        since = time.perf_counter()
        self._log(self._gatherer.send())
        self._cost_s += _SMOOTHING * (time.perf_counter() - since - self._cost_s)
        self._gatherer.interval_s = max(
            self._shortest_s, min(_LONGEST_S, self._cost_s / _LARGEST_SHARE)
        )

    def drain(self) -> None:
        """Log every step gathered so far.

        Raises:
            NonFiniteError: a step among them was not finite.
        """
        self._log(self._gatherer.drain())
        self._tell_skipped()

    def _log(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._writer.emit(_steps_event(block, self._steps_per_epoch))
            loss, correct, count = block.sum_up(self._check_finite(block))
            self.totals.loss += loss
            self.totals.correct += correct
            self.totals.count += count
            self.totals.samples += block.num_samples
            self.totals.duration_s += block.duration_s
            self._board.add_block(block)
            self._last_step = block.first + len(block.loss) - 1
        sample = self._sampler.sample_if_due()
        if sample is not None:
            self._writer.emit(sample)
            grown = self._memory.observe(self._last_step, self._sampler.training_bytes())
            if grown is not None:
                self._writer.emit(grown)

    def _check_finite(self, block: Block) -> Mask | slice:
        """Which steps of the block count.

        Raises:
            NonFiniteError: one was not finite, and such steps are not skipped, or too many were.
        """
        with_gradient = not self._scales_loss
        chosen: Mask | slice = EVERY_STEP
        if self._skips or not block.are_all_finite(with_gradient=with_gradient):
            is_good = block.is_finite(with_gradient=with_gradient)
            if not self._skips:
                raise not_finite(block.first + int(np.argmin(is_good)))
            self._skip(block, is_good)
            chosen = is_good
        if self._scales_loss:
            self._check_overflows(block)
        return chosen

    def _skip(self, block: Block, is_good: Mask) -> None:
        """Tell of steps that were left out, at most every few seconds."""
        for index in np.flatnonzero(~is_good).tolist():
            self._skipped_untold.append(block.first + index)
        runs_out = len(is_good) if not is_good.any() else int(np.argmax(is_good[::-1]))
        self._num_skipped = runs_out + (0 if is_good.any() else self._num_skipped)
        if self._num_skipped > _MAX_SKIPPED:
            step = block.first + len(is_good) - 1
            raise NonFiniteError(
                f"Loss or gradient was not finite {self._num_skipped} steps in a row up to step "
                f"{step}; none of them was applied.",
                "Try a smaller --lr, and look at the data.",
                step=step,
            )
        if time.monotonic() >= self._tell_skipped_due_s:
            self._tell_skipped()

    def _tell_skipped(self) -> None:
        untold, self._skipped_untold = self._skipped_untold, []
        if not untold:
            return
        self._tell_skipped_due_s = time.monotonic() + _TELL_SKIPPED_S
        what = f"step {untold[0]} was"
        if len(untold) > 1:
            what = f"{len(untold)} steps from {untold[0]} to {untold[-1]} were"
        text = f"{what} left out: loss or gradient was not finite"
        self._writer.emit(events.Message(text=text, level="warning"))

    def _check_overflows(self, block: Block) -> None:
        for index, is_finite in enumerate(np.isfinite(block.grad_norm)):
            self._num_overflows = 0 if is_finite else self._num_overflows + 1
            if self._num_overflows > _MAX_OVERFLOWS:
                raise NonFiniteError(
                    f"The gradient overflowed fp16 {self._num_overflows} steps in a row up to "
                    f"step {block.first + index}; none of them was applied.",
                    "Use --precision bf16 or fp32, or try a smaller --lr.",
                    step=block.first + int(index),
                )


def _steps_event(block: Block, steps_per_epoch: int) -> events.Steps:
    return events.Steps(
        epoch=(block.first - 1) // steps_per_epoch + 1,
        first=block.first,
        loss=Float32Column(block.loss),
        lr=Float32Column(block.lr),
        grad_norm=Float32Column(block.grad_norm),
        accuracy=Float32Column(block.accuracy),
        samples_per_s=round(block.num_samples / max(block.duration_s, 1e-9), 1),
    )
