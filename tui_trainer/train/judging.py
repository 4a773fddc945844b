"""Judging a run's weights while it trains, and once at its end."""

from __future__ import annotations

import time
from pathlib import Path

from torch import nn

from tui_trainer.checkpoints.read import find_checkpoint, read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.sealed_json import numbers
from tui_trainer.errors import TuitrainError
from tui_trainer.evaluate.judgement import Judgement
from tui_trainer.evaluate.metrics import judge
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.setup import Task
from tui_trainer.train.tensorboard import Board


class Judge:
    """Judges the averaged weights where there are some, else the plain ones, and logs it."""

    def __init__(self, task: Task, writer: RunWriter, board: Board) -> None:
        self._task = task
        self._writer = writer
        self._board = board

    def validate(self, step: int, *, by_request: bool = False) -> Judgement:
        """Judge the weights of now, which are those of `step`, on the validation split."""
        return self._judge("validation", self._model, step, by_request=by_request)

    def test(self, checkpoints: Path, best: events.Best | None, step: int) -> None:
        """Judge the best weights, or those of `step` where nothing chose a best, on the test."""
        model, judged_step = self._model, step
        if best is not None and best.step != step:
            try:
                folder = find_checkpoint(checkpoints, "best", best.step)
                weights = read_checkpoint(folder).judged
                model, judged_step = self._task.model, best.step
                model.load_state_dict(weights)
            except TuitrainError as error:
                text = f"{error.message} The last weights are judged instead."
                self._writer.emit(events.Message(text=text, level="warning"))
        self._judge("test", model, judged_step, logged_step=step)

    @property
    def _model(self) -> nn.Module:
        average = self._task.average
        return average.model if average is not None and average.is_ready else self._task.model

    def _judge(
        self,
        split: str,
        model: nn.Module,
        step: int,
        *,
        logged_step: int | None = None,
        by_request: bool = False,
    ) -> Judgement:
        task = self._task
        batches = task.validation if split == "validation" else task.test
        assert batches is not None
        since = time.perf_counter()
        judgement = judge(model, batches.in_order(), task.criteria)
        # Workers that load this split would wait for the next time, and take memory.
        batches.close()
        self._writer.emit(
            events.Evaluated(
                split=split,
                step=step,
                epoch=step // task.steps_per_epoch,
                count=len(batches),
                metrics=numbers(judgement.metrics),
                duration_s=round(time.perf_counter() - since, 3),
                by_request=by_request,
            )
        )
        self._board.add_metrics(split, judgement.metrics, logged_step or step)
        return judgement
