"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tui_trainer.store.plain_file import open_plain


def hash_file(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(open_plain(file), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
