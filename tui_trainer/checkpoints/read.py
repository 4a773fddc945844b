"""Loading checkpoints: hashed before use, tensors through safetensors, nothing unpickled."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from tui_trainer.checkpoints.layout import (
    AVERAGED,
    MANIFEST,
    MODEL,
    OPTIMIZER,
    OPTIMIZER_TENSORS,
    REQUIRED_PARTS,
    SCHEMA,
    STATE,
    Manifest,
    folder_name,
    list_steps,
)
from tui_trainer.checkpoints.state import OptimizerState, TrainingState
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import CheckpointError, CheckpointNotFoundError, StorageError

# What an error of the system says about a file: it is not there, or the disk lost what it held.
_LOST = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO)
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A verified checkpoint, its tensors on the CPU."""

    folder: str
    manifest_sha256: str
    state: TrainingState
    model: dict[str, Tensor]
    optimizer_tensors: dict[str, Tensor]
    optimizer: OptimizerState
    averaged: dict[str, Tensor] | None = None

    @property
    def judged(self) -> dict[str, Tensor]:
        """The weights to judge and to export: the averaged ones where there are some."""
        return self.model if self.averaged is None else self.averaged


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`, every file of it hashed first.

    Raises:
        CheckpointError: a file is missing, unknown or not as it was written.
        StorageError: it cannot be read now, which says nothing against it.
    """
    try:
        manifest, state, bodies = _read_parts(folder)
        averaged = bodies.get(AVERAGED)
        return Checkpoint(
            folder=folder.name,
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            state=state,
            model=load(bodies[MODEL]),
            optimizer_tensors=load(bodies[OPTIMIZER_TENSORS]),
            optimizer=msgspec.json.decode(bodies[OPTIMIZER], type=OptimizerState),
            averaged=None if averaged is None else load(averaged),
        )
    except OSError as error:
        if error.errno in _LOST:
            raise _damaged(folder, str(error)) from error
        raise StorageError(
            f"The checkpoint {folder.name} cannot be read: {error.strerror or error}.",
            "See to that, then try again.",
        ) from error
    except (SafetensorError, *_UNDECODABLE) as error:
        raise _damaged(folder, str(error)) from error


def _read_parts(folder: Path) -> tuple[bytes, TrainingState, dict[str, bytes]]:
    """The manifest as it stands in its file, the state, and the parts that it lists, hashed."""
    content = (folder / MANIFEST).read_bytes()
    manifest = msgspec.json.decode(content, type=Manifest)
    bodies = _read_bodies(folder, manifest)
    state = msgspec.json.decode(bodies[STATE], type=TrainingState)
    if manifest.step != state.step:
        raise _damaged(folder, "its manifest and its state are of different steps")
    if (AVERAGED in bodies) != (state.average_count > 0):
        raise _damaged(folder, "its state and its averaged weights contradict each other")
    return content, state, bodies


def _read_bodies(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    if manifest.schema != SCHEMA:
        raise _damaged(folder, "another version of tuitrain wrote it")
    unknown = manifest.files.keys() - {*REQUIRED_PARTS, AVERAGED}
    if unknown:
        raise _damaged(folder, f"its manifest lists {min(unknown)!r}, which is no part of one")
    optional = [AVERAGED] if AVERAGED in manifest.files else []
    return {name: _read_verified(folder, name, manifest) for name in [*REQUIRED_PARTS, *optional]}


def _read_verified(folder: Path, name: str, manifest: Manifest) -> bytes:
    record = manifest.files.get(name)
    if record is None:
        raise _damaged(folder, f"its manifest does not list {name}")
    body = (folder / name).read_bytes()
    if len(body) != record.size_bytes or hashlib.sha256(body).hexdigest() != record.sha256:
        raise _damaged(folder, f"{name} is not as it was written")
    return body


def _damaged(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {folder.name} is damaged: {reason}.",
        "Use another checkpoint of the run.",
    )


def best_step_of(checkpoints: Path, say: Callable[[str], None] | None = None) -> int | None:
    """The step of the best checkpoint, as the newest readable one knows it; None without one.

    Not from the log: its newest validation may be of a step that was never saved. `say` is told of
    newer ones that cannot be read.
    """
    for step in reversed(list_steps(checkpoints)):
        folder = checkpoints / folder_name(step)
        try:
            manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
            body = _read_verified(folder, STATE, manifest)
            best = msgspec.json.decode(body, type=TrainingState).best
            return best.step if best is not None else None
        except (OSError, CheckpointError, *_UNDECODABLE) as error:
            if say is not None:
                say(f"{folder.name} is damaged ({error}); which is best is as of the one before it")
    return None


def find_checkpoint(checkpoints: Path, which: str, best_step: int | None) -> Path:
    """The folder of the checkpoint `best`, `last` or of a step.

    `best` is the last one where no validation chose a best.

    Raises:
        CheckpointNotFoundError: there is none.
    """
    steps = list_steps(checkpoints)
    if not steps:
        raise CheckpointNotFoundError(
            f"{checkpoints.parent.name} has no checkpoint yet.",
            "Let it train until its first checkpoint, or start it again.",
        )
    if which == "last" or (which == "best" and best_step is None):
        return checkpoints / folder_name(steps[-1])
    step = str(best_step) if which == "best" else which
    if not (step.isascii() and step.isdecimal()) or int(step) not in steps:
        what = f"best checkpoint (step {step})" if which == "best" else f"checkpoint {which!r}"
        valid = [*(["best"] if which != "best" else []), "last", *map(str, steps)]
        raise CheckpointNotFoundError(
            f"{checkpoints.parent.name} has no {what}.", hint_for(which, valid)
        )
    return checkpoints / folder_name(int(step))


def read_newest(checkpoints: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, or None where there is none.

    Damaged ones are renamed out of the way; what was set aside is said in the list.
    """
    notes: list[str] = []
    for step in reversed(list_steps(checkpoints)):
        folder = checkpoints / folder_name(step)
        try:
            return read_checkpoint(folder), notes
        except CheckpointError as error:
            set_aside(folder, "damaged")
            notes.append(f"{error.message} It was set aside.")
    return None, notes


def set_aside(checkpoint: Path, why: str) -> None:
    """Rename a checkpoint, so that it is none any more, to `WHY-NAME` or another free name."""
    path = checkpoint.with_name(f"{why}-{checkpoint.name}")
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    checkpoint.rename(candidate)
