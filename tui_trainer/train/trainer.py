"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from torch import Tensor

from tui_trainer.checkpoints.state import EpochTotals, TrainingState
from tui_trainer.core import events
from tui_trainer.core.exactness import settings_that_matter
from tui_trainer.core.format import format_counted
from tui_trainer.core.schedules import lr_share
from tui_trainer.core.sealed_json import numbers
from tui_trainer.errors import DiskFullError, NonFiniteError
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.control import ControlDesk
from tui_trainer.train.diagnosis import IdleDiagnosis
from tui_trainer.train.freezing import hold_frozen_norms, put_in_training_mode
from tui_trainer.train.judging import Judge
from tui_trainer.train.non_finite import explain_step
from tui_trainer.train.precision import pack_scaler
from tui_trainer.train.progress import Progress, has_stalled
from tui_trainer.train.reporting import StepReporter
from tui_trainer.train.samples import show_first
from tui_trainer.train.saving import END_RETRY_S, CheckpointKeeper
from tui_trainer.train.setup import Task, build_stepper
from tui_trainer.train.step import split_batch
from tui_trainer.train.tensorboard import Board


class Trainer:
    """Trains a task to its last epoch, or until someone asks it to stop."""

    def __init__(
        self,
        task: Task,
        progress: Progress,
        writer: RunWriter,
        desk: ControlDesk,
        board: Board,
        checkpoints: Path,
    ) -> None:
        self.task = task
        self.progress = progress
        self._writer = writer
        self._desk = desk
        self._board = board
        self._checkpoints = checkpoints
        self._idle = IdleDiagnosis(task.model)
        self._settings = settings_that_matter(task.config)
        self._judge = Judge(task, writer, board)
        self._keeper = CheckpointKeeper(
            checkpoints, task.config.checkpoints, writer, progress.saved
        )
        self._stepper = build_stepper(task, progress.micro_batch)
        self._reporter = StepReporter(
            writer,
            board,
            task.device,
            self._stepper.figure_names,
            steps_per_epoch=task.steps_per_epoch,
            scales_loss=task.precision.scaler is not None,
            skips=task.config.training.non_finite == "skip",
        )
        self._reporter.totals = progress.totals

    def run(self) -> events.Finished | events.Stopped:
        """Train, validating after every epoch, and judge the result on the test split once."""
        with closing(self._keeper):
            try:
                return self._run()
            except NonFiniteError as error:
                first = self._tell_rest(error)
                raise explain_step(self.task, self._stepper, self._writer, first) from error

    def _run(self) -> events.Finished | events.Stopped:
        while self._owes_epoch_end or not self._is_over:
            if not self._owes_epoch_end and not self._train_epoch():
                return self._stop()
            self._finish_epoch()
            if not self._is_over and not self._goes_past_epoch():
                return self._stop()
        self._save_at_last()
        self._judge.test(self._checkpoints, self.progress.best, self.progress.step)
        return events.Finished(
            step=self.progress.step, epoch=self.epoch, reason=self._reason_to_finish
        )

    def _tell_rest(self, error: NonFiniteError) -> NonFiniteError:
        """Log the steps before one that broke off; which of them was the first to go wrong."""
        if error.step > self.progress.step:
            try:
                self._reporter.drain()
            except NonFiniteError as earlier:
                return earlier
        return error

    def _stop(self) -> events.Stopped:
        self._save_at_last()
        return events.Stopped(step=self.progress.step, epoch=self.epoch, by=self._desk.stopped_by)

    def _goes_past_epoch(self) -> bool:
        """Obey what was asked for while the epoch was judged; False if it was to stop here."""
        return self._attend() and self._desk.goes_past_epoch()

    def _train_epoch(self) -> bool:
        """Train the rest of the current epoch; False if a stop was asked for on the way."""
        task, progress, reporter = self.task, self.progress, self._reporter
        epoch, done = divmod(progress.step, task.steps_per_epoch)
        put_in_training_mode(task.model)
        reporter.restart_clock()
        if not self._attend():
            return False
        batches = task.train.shuffled(task.config.training.seed, epoch, first=done)
        if progress.step == 0 and self._board.wants_samples:
            batches = show_first(batches, self._board, task.spec)
        for batch in batches:
            step = progress.step + 1
            if progress.left_out and progress.leaves_out(step):
                # A block holds consecutive steps.
                reporter.drain()
                progress.step = step
                continue
            lr = self._lr_of(step)
            self._stepper(batch, step=step, lr=lr, figures=reporter.next_row())
            if task.average is not None:
                task.average.after_step(step)
            progress.step = step
            is_due = reporter.add(step, lr, len(batch.labels_B))
            if is_due or self._desk.is_urgent(step) or self._keeper.is_due_at(step):
                reporter.deliver()
                if not self._attend():
                    return False
        return True

    def _finish_epoch(self) -> None:
        """Sum up the epoch and judge its weights; save them if they are the best so far."""
        self._reporter.drain()
        self._tell_micro_batch()
        self._look_for_idle(self.progress.step, is_last=True)
        self._log_epoch()
        task, progress = self.task, self.progress
        if task.average is not None:
            task.average.after_epoch(self.epoch, self._inputs_for_batch_norm)
        if task.validation is None:
            return
        judgement = self._judge.validate(progress.step)
        patience = task.config.schedule.plateau_patience
        progress.plateau = progress.plateau.observe(judgement.loss, patience)
        best = events.Best.choose(progress.best, judgement.metrics, progress.step, task.metric)
        if best is not progress.best:
            progress.best = best
            self._begin_to_save()

    @property
    def epoch(self) -> int:
        """Completed epochs."""
        return self.progress.step // self.task.steps_per_epoch

    @property
    def _owes_epoch_end(self) -> bool:
        """Whether an epoch's last step is done but not its end, as after a stop in between."""
        at_end = self.progress.step % self.task.steps_per_epoch == 0
        return at_end and self._reporter.totals.samples > 0

    @property
    def _is_over(self) -> bool:
        has_trained_all = self.epoch >= self.task.config.training.epochs
        return has_trained_all or has_stalled(self.task, self.progress)

    @property
    def _reason_to_finish(self) -> str:
        if self.epoch >= self.task.config.training.epochs:
            return "all epochs trained"
        patience = self.task.config.training.early_stopping
        waited = format_counted(patience, "epoch")
        return f"stopped early: validation was not better for {waited}"

    def _lr_of(self, step: int) -> float:
        return self._scheduled_lr(step) * self.progress.lr_scale

    def _scheduled_lr(self, step: int) -> float:
        task = self.task
        return task.config.optimizer.lr * lr_share(
            task.config.schedule,
            step,
            steps=task.steps,
            steps_per_epoch=task.steps_per_epoch,
            reductions=self.progress.plateau.reductions,
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

    def evaluate(self) -> dict[str, float] | None:
        """Judge the weights of now on the validation split: its figures, None without one."""
        if self.task.validation is None:
            return None
        judgement = self._judge.validate(self.progress.step, by_request=True)
        # Judging leaves the whole model in training mode.
        hold_frozen_norms(self.task.model)
        return dict(judgement.metrics)

    def _attend(self) -> bool:
        """Obey what was asked for; False if it was to stop."""
        step = self.progress.step
        self._tell_micro_batch()
        self._look_for_idle(step)
        if self._desk.has_work(step):
            # What is answered has to stand in the log after the steps it follows.
            self._reporter.drain()
            goes_on = self._desk.attend(step, self)
            self._reporter.restart_clock()
            if not goes_on:
                return False
        self._keeper.settle()
        if self._keeper.is_due(step):
            self._begin_to_save()
        return True

    def _look_for_idle(self, step: int, *, is_last: bool = False) -> None:
        found = self._idle.look(step, is_last=is_last)
        if found is not None:
            self._writer.emit(found)

    def _tell_micro_batch(self) -> None:
        micro_batch = self._stepper.micro_batch
        if micro_batch != (self.progress.micro_batch or self.task.micro_batch):
            self.progress.micro_batch = micro_batch
            text = (
                f"memory ran out: a batch goes through the model {micro_batch} samples at a time "
                "from here on; the batch that makes a step stays the same"
            )
            self._writer.emit(events.Message(text=text, level="warning"))

    def _log_epoch(self) -> None:
        totals = self._reporter.totals
        count = totals.count or math.nan
        train = {"loss": totals.loss / count}
        if self.task.spec.task != "regression":
            train["accuracy"] = totals.correct / count
        self._writer.emit(
            events.EpochFinished(
                epoch=self.epoch,
                step=self.progress.step,
                train=numbers(train),
                samples_per_s=round(totals.samples / max(totals.duration_s, 1e-9), 1),
                duration_s=round(totals.duration_s, 3),
            )
        )
        self._board.add_metrics("train", train, self.progress.step)
        self._reporter.totals = EpochTotals()

    def _inputs_for_batch_norm(self) -> Iterator[Tensor]:
        for batch in self.task.train.shuffled(self.task.config.training.seed, self.epoch):
            yield from (part.x for part in split_batch(batch, self._stepper.micro_batch))

    def save(self) -> None:
        """Publish a checkpoint of now; it is durable on return.

        Raises:
            StorageError: it could not be written.
        """
        self._begin_to_save()
        self._keeper.wait()
        self._reporter.restart_clock()

    def _save_at_last(self) -> None:
        """Publish the checkpoint that a session ends with; wait for room where the disk is full.

        Raises:
            StorageError: it could not be written, or a signal ended the waiting.
        """
        while True:
            try:
                self.save()
                return
            except DiskFullError:
                if not self._desk.rest(END_RETRY_S):
                    raise

    def _begin_to_save(self) -> None:
        self._reporter.drain()
        average = self.task.average
        averaged = average.tensors() if average is not None and average.is_ready else None
        self._keeper.save(self.task.model, self.task.optimizer, self._state(), averaged)
        self._reporter.restart_clock()

    def _state(self) -> TrainingState:
        progress, task = self.progress, self.task
        return TrainingState(
            step=progress.step,
            steps_per_epoch=task.steps_per_epoch,
            lr_scale=progress.lr_scale,
            best=progress.best,
            totals=msgspec.structs.replace(self._reporter.totals),
            fingerprint=task.fingerprint,
            plateau=progress.plateau,
            micro_batch=progress.micro_batch,
            scaler=pack_scaler(task.precision.scaler),
            average_count=task.average.count if task.average is not None else 0,
            code=task.code,
            settings=self._settings,
        )
