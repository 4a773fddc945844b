"""What a checkpoint folder is made of."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

MODEL = "model.safetensors"
AVERAGED = "averaged.safetensors"
OPTIMIZER_TENSORS = "optimizer.safetensors"
OPTIMIZER = "optimizer.json"
STATE = "state.json"
MANIFEST = "manifest.json"

REQUIRED_PARTS = (MODEL, OPTIMIZER_TENSORS, OPTIMIZER, STATE)

SCHEMA = 1
_FOLDER = re.compile(r"step-([0-9]{8,12})")


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Size and hash of a file as it was written."""

    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a checkpoint, by name."""

    step: int
    files: dict[str, FileRecord]
    schema: int = SCHEMA


def folder_name(step: int) -> str:
    """`step-00001200`."""
    return f"step-{step:08}"


def list_steps(checkpoints: Path) -> list[int]:
    """The steps of the published checkpoints, in order."""
    if not checkpoints.is_dir():
        return []
    matches = [_FOLDER.fullmatch(folder.name) for folder in checkpoints.iterdir()]
    return sorted(int(match[1]) for match in matches if match)
