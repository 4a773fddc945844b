"""Saving checkpoints: whole folders, published by rename, manifest last."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from safetensors.torch import save
from torch import Tensor

from tui_trainer.checkpoints.layout import (
    AVERAGED,
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
from tui_trainer.checkpoints.snapshot import Snapshot
from tui_trainer.errors import DiskFullError, ModelError, StorageError
from tui_trainer.store.atomic import holds, new_folder, remove_folder, write_durable


class SavedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A published checkpoint."""

    folder: str
    manifest_sha256: str
    size_bytes: int


def save_checkpoint(checkpoints: Path, snapshot: Snapshot) -> SavedCheckpoint:
    """Publish a snapshot as a checkpoint; it is durable on return, and was read again first.

    Raises:
        ModelError: it holds a tensor of an unusual kind.
        StorageError: it could not be written or made durable, or not be read as it was written.
    """
    step = snapshot.state.step
    files = {
        MODEL: _pack(snapshot.model),
        OPTIMIZER_TENSORS: _pack(snapshot.optimizer_tensors),
        OPTIMIZER: msgspec.json.encode(snapshot.optimizer),
        STATE: msgspec.json.encode(snapshot.state),
    }
    if snapshot.averaged is not None:
        files[AVERAGED] = _pack(snapshot.averaged)
    manifest = msgspec.json.encode(
        Manifest(
            step=step,
            files={
                name: FileRecord(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
                for name, body in files.items()
            },
        )
    )
    folder = checkpoints / folder_name(step)
    _publish(folder, files | {MANIFEST: manifest}, step)
    return SavedCheckpoint(
        folder=folder.name,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        size_bytes=sum(map(len, files.values())) + len(manifest),
    )


def _publish(folder: Path, files: dict[str, bytes], step: int) -> None:
    try:
        with new_folder(folder) as temporary:
            for name, body in files.items():
                write_durable(temporary / name, body)
            if not all(holds(temporary / name, body) for name, body in files.items()):
                raise StorageError(
                    f"The disk did not give back the checkpoint of step {step} as it was written.",
                    "Check the disk, or keep runs on another one.",
                )
    except OSError as error:
        kind = DiskFullError if error.errno in DiskFullError.numbers else StorageError
        raise kind(
            f"The checkpoint of step {step} could not be written: {error.strerror or error}.",
            "Free some space or mend the disk, then resume the run.",
        ) from error


def prune_checkpoints(checkpoints: Path, *, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for step in list_steps(checkpoints)[:-keep]:
        if step != best_step:
            remove_folder(checkpoints / folder_name(step))


def _pack(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file."""
    try:
        return save(tensors)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"The state of the model cannot be saved: {error}.",
            "Keep weights and buffers in one of the usual number types.",
        ) from error
