"""What a checkpoint's manifest says of its files is demanded of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.faults.run_operations import save_step
from tui_trainer.checkpoints.layout import MANIFEST, STATE, FileRecord, Manifest, folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.errors import CheckpointError


@pytest.mark.parametrize(
    "bend",
    [
        lambda record: msgspec.structs.replace(record, size_bytes=record.size_bytes + 1),
        lambda record: msgspec.structs.replace(record, sha256="0" * 64),
    ],
    ids=["size", "hash"],
)
def test_a_file_of_another_size_or_hash_is_damage(
    tmp_path: Path, bend: Callable[[FileRecord], FileRecord]
) -> None:
    save_step(tmp_path, 10)
    file = tmp_path / folder_name(10) / MANIFEST
    manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    files = manifest.files | {STATE: bend(manifest.files[STATE])}
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, files=files)))
    with pytest.raises(CheckpointError, match=r"state\.json is not as it was written"):
        read_checkpoint(file.parent)
