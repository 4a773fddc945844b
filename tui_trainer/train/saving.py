"""When a training loop saves, what it keeps, and how it goes on while a checkpoint is written."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.snapshot import Snapshot, take_snapshot
from tui_trainer.checkpoints.state import TrainingState
from tui_trainer.checkpoints.write import SavedCheckpoint, prune_checkpoints, save_checkpoint
from tui_trainer.core import events
from tui_trainer.core.config import CheckpointConfig
from tui_trainer.core.format import format_duration
from tui_trainer.errors import StorageError
from tui_trainer.store.run_writer import RunWriter

# Where nothing else is asked for: seconds between checkpoints, and what saving may take of the
# time of training.
_SHORTEST_S = 60.0
_LARGEST_SHARE = 0.01

RETRY_S = 10.0
"""Seconds until a checkpoint that could not be written is tried again while training goes on."""

END_RETRY_S = 2.0
"""The same where training is over and nothing else is left to do."""


@dataclass(frozen=True)
class _Underway:
    """A snapshot being published by the thread, and how long training stood still for it."""

    snapshot: Snapshot
    stall_s: float
    publishing: Future[tuple[SavedCheckpoint, float]]


class CheckpointKeeper:
    """Publishes checkpoints, logs them, and deletes those no longer kept.

    Training stands still while its state is copied; a thread writes the copy. Where that fails,
    as on a full disk, training goes on and the last checkpoint published stays as it is. Saving is
    tried again with newer weights, or with the same ones if they are the best so far.
    """

    def __init__(
        self,
        folder: Path,
        config: CheckpointConfig,
        writer: RunWriter,
        last: TrainingState | None,
    ) -> None:
        """`last` is the state of the checkpoint that training goes on from."""
        self._folder = folder
        self._config = config
        self._writer = writer
        self._last = last
        self._published_step = self._last_step = last.step if last is not None else 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._underway: _Underway | None = None
        self._unsaved: Snapshot | None = None
        self._failure: StorageError | None = None
        self._spare: Snapshot | None = None
        self._writing_s = 0.0
        self._interval_s = config.every_s or _SHORTEST_S
        self._due_s = time.monotonic() + self._interval_s

    def is_due(self, step: int) -> bool:
        """Whether the last checkpoint is old enough for another, or `step` is one to save."""
        is_old = self._underway is None and time.monotonic() >= self._due_s
        return is_old or self.is_due_at(step)

    def is_due_at(self, step: int) -> bool:
        """Whether `step` is one of those to save, whatever the time."""
        every = self._config.every_steps
        return every > 0 and step % every == 0 and step > self._last_step

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        state: TrainingState,
        averaged: dict[str, Tensor] | None,
    ) -> None:
        """Have a checkpoint of `state` written, unless the last one is of the same.

        Raises:
            ModelError: the model's state cannot be saved at all.
        """
        if state == self._last:
            return
        self._finish()
        if self._unsaved is not None and self._unsaved.state.is_best and not state.is_best:
            self._start(self._unsaved, stall_s=0.0)
            self._finish()
            if self._failure is not None:
                return
        since = time.perf_counter()
        reuse = self._unsaved or self._spare
        self._unsaved = self._spare = None
        snapshot = take_snapshot(model, optimizer, state, averaged, reuse=reuse)
        self._last, self._last_step = state, state.step
        self._start(snapshot, stall_s=time.perf_counter() - since)

    def settle(self) -> None:
        """Log the checkpoint that was being written, if that is over by now."""
        if self._underway is not None and self._underway.publishing.done():
            self._finish()

    def wait(self) -> None:
        """Log the checkpoint that is being written, once it is durable.

        Raises:
            StorageError: it could not be written.
        """
        self._finish()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Log what is being written; nothing can be saved after."""
        try:
            self._finish()
        finally:
            self._thread.shutdown()

    def _start(self, snapshot: Snapshot, *, stall_s: float) -> None:
        publishing = self._thread.submit(self._publish, snapshot)
        self._underway = _Underway(snapshot, stall_s, publishing)
        # So early that it is published when the interval is over: no more than that can be lost.
        writing_s = min(self._writing_s, self._interval_s / 2)
        self._due_s = time.monotonic() + self._interval_s - writing_s

    def _publish(self, snapshot: Snapshot) -> tuple[SavedCheckpoint, float]:
        """In the thread: the checkpoint, and how long writing it took."""
        since = time.perf_counter()
        saved = save_checkpoint(self._folder, snapshot)
        duration_s = time.perf_counter() - since
        best = snapshot.state.best
        # What cannot be deleted now is tried again after the next checkpoint.
        with contextlib.suppress(OSError):
            prune_checkpoints(
                self._folder, keep=self._config.keep, best_step=best.step if best else None
            )
        return saved, duration_s

    def _finish(self) -> None:
        if self._underway is None:
            return
        underway, self._underway = self._underway, None
        try:
            saved, duration_s = underway.publishing.result()
        except StorageError as error:
            self._note_failure(underway.snapshot, error)
        else:
            self._note_success(underway, saved, duration_s)

    def _note_success(self, underway: _Underway, saved: SavedCheckpoint, duration_s: float) -> None:
        state = underway.snapshot.state
        self._writer.emit(
            events.CheckpointSaved(
                step=state.step,
                epoch=state.step // state.steps_per_epoch,
                folder=saved.folder,
                manifest_sha256=saved.manifest_sha256,
                best=state.is_best,
                size_bytes=saved.size_bytes,
                duration_s=round(duration_s, 4),
                stall_s=round(underway.stall_s, 5),
            )
        )
        self._published_step = state.step
        self._spare = underway.snapshot
        if self._failure is not None:
            self._failure = self._unsaved = None
            self._tell("checkpoints are saved again", "info")
        self._writing_s = duration_s
        self._adapt_interval(underway.stall_s + duration_s)

    def _note_failure(self, snapshot: Snapshot, error: StorageError) -> None:
        if self._failure is None:
            self._writer.emit(
                events.CheckpointFailed(
                    step=snapshot.state.step,
                    newest_step=self._published_step,
                    reason=error.message,
                )
            )
        self._failure, self._unsaved, self._last = error, snapshot, None
        self._due_s = time.monotonic() + RETRY_S

    def _adapt_interval(self, cost_s: float) -> None:
        """Unless told how often, save less often where it would take more than its share."""
        if self._config.every_s:
            return
        interval_s = max(_SHORTEST_S, cost_s / _LARGEST_SHARE)
        if interval_s > _SHORTEST_S and self._interval_s == _SHORTEST_S:
            self._tell(
                f"a checkpoint every {format_duration(interval_s)}: one takes "
                f"{cost_s:.1f} s to save",
                "info",
            )
        self._due_s += interval_s - self._interval_s
        self._interval_s = interval_s

    def _tell(self, text: str, level: Literal["info", "warning"]) -> None:
        self._writer.emit(events.Message(text=text, level=level))
