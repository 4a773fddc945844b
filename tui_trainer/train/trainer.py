"""The training loop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from tui_trainer.checkpoints.read import find_checkpoint, read_checkpoint
from tui_trainer.checkpoints.state import EpochTotals, TrainingState
from tui_trainer.checkpoints.write import prune_checkpoints, save_checkpoint
from tui_trainer.core import events
from tui_trainer.core.schedules import lr_share
from tui_trainer.errors import NonFiniteError, TuitrainError
from tui_trainer.evaluate.metrics import Judgement, judge
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.control import ControlDesk
from tui_trainer.train.figures import Block, FigureGatherer, shortest_floats
from tui_trainer.train.resources import ResourceSampler
from tui_trainer.train.setup import Task
from tui_trainer.train.step import Stepper
from tui_trainer.train.tensorboard import ScalarBoard


@dataclass
class Progress:
    """Where training stands; what a checkpoint keeps of the loop."""

    step: int = 0
    lr_scale: float = 1.0
    best: events.Best | None = None
    totals: EpochTotals = field(default_factory=EpochTotals)
    saved: TrainingState | None = None


class Trainer:
    """Trains a task to its last epoch, or until someone asks it to stop."""

    def __init__(
        self,
        task: Task,
        progress: Progress,
        writer: RunWriter,
        desk: ControlDesk,
        board: ScalarBoard,
        checkpoints: Path,
    ) -> None:
        self.task = task
        self.progress = progress
        self._writer = writer
        self._desk = desk
        self._board = board
        self._checkpoints = checkpoints
        training = task.config.training
        self._stepper = Stepper(
            task.model,
            task.optimizer,
            task.device,
            seed=training.seed,
            label_smoothing=task.config.loss.label_smoothing,
        )
        self._gatherer = FigureGatherer(task.device)
        self._sampler = ResourceSampler(task.device)
        self._checkpoint_due_s = time.monotonic() + task.config.checkpoints.every_s

    @property
    def epoch(self) -> int:
        """Completed epochs."""
        return self.progress.step // self.task.steps_per_epoch

    @property
    def _owes_epoch_end(self) -> bool:
        """Whether an epoch's last step is done but not its end, as after a stop in between."""
        at_end = self.progress.step % self.task.steps_per_epoch == 0
        return at_end and self.progress.totals.count > 0

    def run(self) -> events.Finished | events.Stopped:
        """Train, validating after every epoch, and judge the result on the test split once."""
        while self._owes_epoch_end or self.epoch < self.task.config.training.epochs:
            if not self._owes_epoch_end and not self._train_epoch():
                self.save()
                return events.Stopped(
                    step=self.progress.step, epoch=self.epoch, by=self._desk.stopped_by
                )
            self._finish_epoch()
        self.save()
        self._judge_test()
        return events.Finished(step=self.progress.step, epoch=self.epoch)

    def _train_epoch(self) -> bool:
        """Train the rest of the current epoch; False if a stop was asked for on the way."""
        task, progress, gatherer = self.task, self.progress, self._gatherer
        epoch, done = divmod(progress.step, task.steps_per_epoch)
        task.model.train()
        gatherer.restart_clock()
        if not self._attend():
            return False
        for x_BCHW, labels_B in task.train.shuffled(task.config.training.seed, epoch, first=done):
            step = progress.step + 1
            lr = self._lr_of(step)
            figures = self._stepper(x_BCHW, labels_B, step=step, lr=lr)
            progress.step = step
            gatherer.add(step, figures, lr, len(labels_B))
            if gatherer.is_due or self._desk.is_urgent(step):
                self._deliver(gatherer.send())
                if not self._attend():
                    return False
        return True

    def _lr_of(self, step: int) -> float:
        return self._scheduled_lr(step) * self.progress.lr_scale

    def _scheduled_lr(self, step: int) -> float:
        config = self.task.config
        return config.optimizer.lr * lr_share(config.schedule, step, self.task.steps)

    def _deliver(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._writer.emit(
                events.Steps(
                    epoch=(block.first - 1) // self.task.steps_per_epoch + 1,
                    first=block.first,
                    loss=shortest_floats(block.loss),
                    lr=shortest_floats(np.asarray(block.lr, np.float32)),
                    grad_norm=shortest_floats(block.grad_norm),
                    accuracy=shortest_floats(block.accuracy),
                    samples_per_s=round(sum(block.counts) / max(block.duration_s, 1e-9), 1),
                )
            )
            self._check_finite(block)
            totals = self.progress.totals
            totals.loss += block.loss_sum
            totals.correct += float(block.correct.sum())
            totals.count += sum(block.counts)
            totals.duration_s += block.duration_s
            self._board.add_block(block)
        sample = self._sampler.sample_if_due()
        if sample is not None:
            self._writer.emit(sample)

    def _check_finite(self, block: Block) -> None:
        step = block.first_non_finite
        if step is None:
            return
        raise NonFiniteError(
            f"Loss or gradient was not finite at step {step}; that update was not applied.",
            "Try a smaller --lr; the last checkpoint is from before that step.",
        )

    @property
    def next_lr(self) -> float:
        """The learning rate of the step to come."""
        return self._lr_of(self.progress.step + 1)

    def set_lr(self, lr: float) -> None:
        """Use `lr` for the step to come; the schedule goes on from there, scaled."""
        # From the schedule alone, not from the scale before: a resume that repeats this gets the
        # same bits wherever it comes from.
        self.progress.lr_scale = lr / self._scheduled_lr(self.progress.step + 1)

    def _attend(self) -> bool:
        """Obey what was asked for; False if it was to stop."""
        step = self.progress.step
        if self._desk.has_work(step):
            # What is answered has to stand in the log after the steps it follows.
            self._drain()
            goes_on = self._desk.attend(step, self)
            self._gatherer.restart_clock()
            if not goes_on:
                return False
        if time.monotonic() >= self._checkpoint_due_s:
            self.save()
        return True

    def _drain(self) -> None:
        self._deliver(self._gatherer.drain())

    def _finish_epoch(self) -> None:
        self._drain()
        totals, epoch = self.progress.totals, self.epoch
        train = {"loss": totals.loss / totals.count, "accuracy": totals.correct / totals.count}
        self._writer.emit(
            events.EpochFinished(
                epoch=epoch,
                step=self.progress.step,
                train=_numbers(train),
                samples_per_s=round(totals.count / max(totals.duration_s, 1e-9), 1),
                duration_s=round(totals.duration_s, 3),
            )
        )
        self._board.add_metrics("train", train, self.progress.step)
        self.progress.totals = EpochTotals()
        if self.task.validation is not None:
            judgement = self._judge("validation", self.progress.step)
            best = events.Best.choose(self.progress.best, judgement.metrics, self.progress.step)
            if best is not self.progress.best:
                self.progress.best = best
                self.save()

    def _judge(self, split: str, step: int) -> Judgement:
        """Judge the model, whose weights are those of `step`, on a split."""
        since = time.perf_counter()
        batches = self.task.validation if split == "validation" else self.task.test
        assert batches is not None
        judgement = judge(self.task.model, batches.in_order())
        self._writer.emit(
            events.Evaluated(
                split=split,
                step=step,
                epoch=step // self.task.steps_per_epoch,
                count=len(batches),
                metrics=_numbers(judgement.metrics),
                duration_s=round(time.perf_counter() - since, 3),
            )
        )
        self._board.add_metrics(split, judgement.metrics, self.progress.step)
        return judgement

    def _judge_test(self) -> None:
        """Judge the best weights (the last where nothing chose a best) on the test split."""
        best = self.progress.best
        judged_step = self.progress.step
        if best is not None and best.step != judged_step:
            try:
                folder = find_checkpoint(self._checkpoints, "best", best.step)
                self.task.model.load_state_dict(read_checkpoint(folder).model)
                judged_step = best.step
            except TuitrainError as error:
                text = f"{error.message} The last weights are judged instead."
                self._writer.emit(events.Message(text=text, level="warning"))
        self._judge("test", judged_step)

    def save(self) -> None:
        """Publish a checkpoint of now, then delete those that are no longer kept."""
        self._drain()
        since = time.perf_counter()
        progress = self.progress
        if progress.saved == self._state():
            return
        best_step = progress.best.step if progress.best is not None else None
        state = self._state()
        saved = save_checkpoint(self._checkpoints, self.task.model, self.task.optimizer, state)
        progress.saved = state
        self._writer.emit(
            events.CheckpointSaved(
                step=progress.step,
                epoch=self.epoch,
                folder=saved.folder,
                manifest_sha256=saved.manifest_sha256,
                best=best_step == progress.step,
                size_bytes=saved.size_bytes,
                duration_s=round(time.perf_counter() - since, 4),
            )
        )
        prune_checkpoints(
            self._checkpoints, keep=self.task.config.checkpoints.keep, best_step=best_step
        )
        self._checkpoint_due_s = time.monotonic() + self.task.config.checkpoints.every_s
        self._gatherer.restart_clock()

    def _state(self) -> TrainingState:
        return TrainingState(
            step=self.progress.step,
            steps_per_epoch=self.task.steps_per_epoch,
            lr_scale=self.progress.lr_scale,
            best=self.progress.best,
            totals=msgspec.structs.replace(self.progress.totals),
            fingerprint=self.task.fingerprint,
        )


def _numbers(metrics: dict[str, float]) -> dict[str, events.Number]:
    return {name: events.number(value) for name, value in metrics.items()}
