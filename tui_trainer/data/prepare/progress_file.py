"""How far a preparation has come, so that one that was cut off goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tui_trainer.core.sealed_json import encode_sealed, unseal
from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare.split_writer import Reached
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.unfinished import PROGRESS


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of an unfinished dataset hold.

    Attributes:
        identity: A hash of the source and of how it is prepared.
        blocks: How many of its blocks are in the files.
        reached: How far each split has come.
        skipped: What these blocks could not read.
        stamp_bytes: How much of the list of stamps is of these blocks.
    """

    identity: str
    blocks: int = 0
    reached: dict[str, Reached] = {}
    skipped: tuple[Skipped, ...] = ()
    stamp_bytes: int = 0


def read_progress(folder: Path) -> Progress | None:
    """What was reached of a preparation, which may be one of another source."""
    try:
        content = unseal((folder / PROGRESS).read_bytes())
        return msgspec.json.decode(content, type=Progress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        # None was begun, or it cannot be known how far: it begins anew.
        return None


def write_progress(folder: Path, progress: Progress) -> None:
    """Remember what was reached; the files hold it durably."""
    replace_file(folder / PROGRESS, encode_sealed(progress))
