"""Saving checkpoints: whole folders, published by rename, manifest last."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.layout import (
    MANIFEST,
    MODEL,
    OPTIMIZER,
    OPTIMIZER_TENSORS,
    STATE,
    FileRecord,
    Manifest,
    folder_name,
    list_steps,
)
from tui_trainer.checkpoints.state import TrainingState, pack_optimizer
from tui_trainer.errors import StorageError
from tui_trainer.store.atomic import new_folder, remove_folder, write_durable


class SavedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A published checkpoint."""

    folder: str
    manifest_sha256: str
    size_bytes: int


def save_checkpoint(
    checkpoints: Path, model: nn.Module, optimizer: Optimizer, state: TrainingState
) -> SavedCheckpoint:
    """Publish model, optimizer and state as a checkpoint; it is durable on return.

    Raises:
        StorageError: it could not be written; nothing was published.
    """
    optimizer_tensors, packed = pack_optimizer(optimizer)
    files = {
        MODEL: save(_on_cpu(model.state_dict())),
        OPTIMIZER_TENSORS: save(_on_cpu(optimizer_tensors)),
        OPTIMIZER: msgspec.json.encode(packed),
        STATE: msgspec.json.encode(state),
    }
    manifest = msgspec.json.encode(
        Manifest(
            step=state.step,
            files={
                name: FileRecord(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
                for name, body in files.items()
            },
        )
    )
    folder = checkpoints / folder_name(state.step)
    try:
        with new_folder(folder) as temporary:
            for name, body in files.items():
                write_durable(temporary / name, body)
            write_durable(temporary / MANIFEST, manifest)
    except OSError as error:
        raise StorageError(
            f"The checkpoint of step {state.step} could not be written: {error.strerror or error}.",
            "Free some space or mend the disk, then resume the run.",
        ) from error
    return SavedCheckpoint(
        folder=folder.name,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        size_bytes=sum(map(len, files.values())) + len(manifest),
    )


def prune_checkpoints(checkpoints: Path, *, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for step in list_steps(checkpoints)[:-keep]:
        if step != best_step:
            remove_folder(checkpoints / folder_name(step))


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # A copy on the CPU in the standard memory order, which is the only one the format knows.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
