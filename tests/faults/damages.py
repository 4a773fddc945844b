"""What happens to files: torn ends, flipped bits, other files in their place."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path


def flip_bit(file: Path, position: int, noise: random.Random) -> None:
    """Flip one bit of the byte at `position`, if there is one; others may write the file on."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        byte = os.pread(descriptor, 1, position)
        if byte:
            os.pwrite(descriptor, bytes([byte[0] ^ (1 << noise.randrange(8))]), position)
    finally:
        os.close(descriptor)


def tear(log: Path, noise: random.Random) -> None:
    """Leave the end of a log as a writer does that was killed, or lost its power."""
    content = log.read_bytes() if log.exists() else b""
    if content.endswith(b"\n") and noise.random() < 0.2:
        os.truncate(log, len(content) - 1)
        return
    line = content.split(b"\n")[0] or b'{"kind":"run_started","v":1}'
    torn = noise.choice(
        [
            line[: noise.randrange(len(line))],
            noise.randbytes(noise.randrange(1, 300)),
            bytes(noise.randrange(1, 5000)),
            b'{"kind":"steps"\n{"kind":"finished","v":1,"seq":9}\n{"kin',
        ]
    )
    with open(log, "ab") as file:
        file.write(torn)


def damage_file(file: Path, others: Sequence[Path], noise: random.Random) -> None:
    """Remove a file, or change it, or put another in its place."""
    found = [other for other in others if other != file and other.exists()]
    size = file.stat().st_size if file.exists() else 0
    if not size:
        way = "noise"
    else:
        way = noise.choice(["remove", "empty", "noise", "cut", "flip", "reword", "other"])
    if way == "remove":
        file.unlink()
    elif way == "flip":
        flip_bit(file, noise.randrange(size), noise)
    elif way == "cut":
        os.truncate(file, noise.randrange(size))
    elif way == "reword":
        _reword(file, noise)
    elif way == "other" and found:
        shutil.copy(noise.choice(found), file)
    elif file.parent.exists():
        file.write_bytes(noise.randbytes(500) if way == "noise" else b"")


def _reword(file: Path, noise: random.Random) -> None:
    """Let the file tell of another state, in words of the same length."""
    content = file.read_bytes()
    words = [b'"running"', b'"stopped"', b'"waiting"']
    for word in words:
        content = content.replace(word, noise.choice(words))
    file.write_bytes(content)


def lock_database(file: Path, how: str = "EXCLUSIVE") -> sqlite3.Connection | None:
    """Lock an SQLite file for as long as the connection that comes back lives."""
    try:
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute(f"BEGIN {how}")
    except sqlite3.DatabaseError:
        # There is no folder, or it is no database at this moment.
        return None
    return connection
