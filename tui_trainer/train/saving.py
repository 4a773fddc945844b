"""When a training loop saves, and what it keeps."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.state import TrainingState
from tui_trainer.checkpoints.write import prune_checkpoints, save_checkpoint
from tui_trainer.core import events
from tui_trainer.core.config import CheckpointConfig
from tui_trainer.store.run_writer import RunWriter


class CheckpointKeeper:
    """Publishes checkpoints, logs them, and deletes those no longer kept."""

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
        self._due_s = time.monotonic() + config.every_s

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for another."""
        return time.monotonic() >= self._due_s

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        state: TrainingState,
        averaged: dict[str, Tensor] | None,
    ) -> None:
        """Publish a checkpoint of `state`, unless the last one is of the same.

        Raises:
            StorageError: it could not be written.
        """
        if state == self._last:
            return
        since = time.perf_counter()
        saved = save_checkpoint(self._folder, model, optimizer, state, averaged)
        self._last = state
        best_step = state.best.step if state.best is not None else None
        self._writer.emit(
            events.CheckpointSaved(
                step=state.step,
                epoch=state.step // state.steps_per_epoch,
                folder=saved.folder,
                manifest_sha256=saved.manifest_sha256,
                best=best_step == state.step,
                size_bytes=saved.size_bytes,
                duration_s=round(time.perf_counter() - since, 4),
            )
        )
        prune_checkpoints(self._folder, keep=self._config.keep, best_step=best_step)
        self._due_s = time.monotonic() + self._config.every_s
