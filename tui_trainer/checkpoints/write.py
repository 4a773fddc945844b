"""Saving checkpoints: whole folders, published by rename, manifest last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

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
from tui_trainer.checkpoints.state import TrainingState, pack_optimizer
from tui_trainer.errors import ModelError, StorageError
from tui_trainer.store.atomic import new_folder, remove_folder, write_durable


class SavedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A published checkpoint."""

    folder: str
    manifest_sha256: str
    size_bytes: int


def save_checkpoint(
    checkpoints: Path,
    model: nn.Module,
    optimizer: Optimizer,
    state: TrainingState,
    averaged: Mapping[str, Tensor] | None = None,
) -> SavedCheckpoint:
    """Publish model, optimizer and state as a checkpoint; it is durable on return.

    `averaged` are the averaged weights by name, where there are some.

    Raises:
        ModelError: the model's state holds what is no tensor, or a tensor of an unusual kind.
        StorageError: it could not be written; nothing was published.
    """
    assert (averaged is not None) == (state.average_count > 0)
    optimizer_tensors, packed = pack_optimizer(optimizer)
    files = {
        MODEL: _pack(model.state_dict()),
        OPTIMIZER_TENSORS: _pack(optimizer_tensors),
        OPTIMIZER: msgspec.json.encode(packed),
        STATE: msgspec.json.encode(state),
    }
    if averaged is not None:
        files[AVERAGED] = _pack(averaged)
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
    _publish(folder, files | {MANIFEST: manifest}, state.step)
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
    except OSError as error:
        raise StorageError(
            f"The checkpoint of step {step} could not be written: {error.strerror or error}.",
            "Free some space or mend the disk, then resume the run.",
        ) from error


def prune_checkpoints(checkpoints: Path, *, keep: int, best_step: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for step in list_steps(checkpoints)[:-keep]:
        if step != best_step:
            remove_folder(checkpoints / folder_name(step))


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as the bytes of a safetensors file, each on its own, in the standard memory order."""
    packed: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            raise ModelError(
                f"The model keeps {name!r} in its state, which is no plain tensor and cannot be "
                "saved.",
                "Keep weights in parameters and other state in buffers.",
            )
        on_cpu = tensor.detach().cpu().contiguous()
        # Names that share memory, as tied weights do, are written one by one: the format has no
        # notion of sharing, and the model they are loaded into ties them again.
        storage = on_cpu.untyped_storage().data_ptr()
        packed[name] = on_cpu.clone() if storage in storages else on_cpu
        storages.add(storage)
    try:
        return save(packed)
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"The state of the model cannot be saved: {error}.",
            "Keep weights and buffers in one of the usual number types.",
        ) from error
