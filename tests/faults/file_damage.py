"""Damage to files: flipped bits, ends cut off, blocks that a disk gives back as zeros."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults import plan

BLOCK_BYTES = 512


class Damaged(NamedTuple):
    """A file's bytes after a damage, what the damage was, and which bytes it hit: start to end."""

    content: bytes
    what: str
    start: int
    end: int


def damage(whole: bytes, count: int, name: str) -> Iterator[Damaged]:
    """`count` damages to a file, each alone and in another place; `name` says of which test.

    Of ten, eight are a flipped bit, one cuts off the end, and one is a block of zeros.
    """
    choices = plan.choices_of(f"damage {name}")
    for _ in range(count):
        make = choices.choices((_flip_bit, _cut, _zero_block), (8, 1, 1))[0]
        yield make(whole, choices)


def _flip_bit(whole: bytes, choices: Random) -> Damaged:
    place, bit = choices.randrange(len(whole)), choices.randrange(8)
    content = bytearray(whole)
    content[place] ^= 1 << bit
    return Damaged(bytes(content), f"bit {bit} of byte {place} flipped", place, place + 1)


def _cut(whole: bytes, choices: Random) -> Damaged:
    size = choices.randrange(len(whole))
    return Damaged(whole[:size], f"cut to {size} bytes", size, len(whole))


def _zero_block(whole: bytes, choices: Random) -> Damaged:
    start = choices.randrange(0, len(whole), BLOCK_BYTES)
    end = min(start + BLOCK_BYTES, len(whole))
    content = whole[:start] + bytes(end - start) + whole[end:]
    return Damaged(content, f"zeros from byte {start} to {end}", start, end)


@contextmanager
def naming(file: Path, damaged: Damaged) -> Iterator[None]:
    """Say of any error in the block which damage it comes from, and keep the damaged file.

    Choices are the same for the same seed, but no two runs write the same bytes.
    """
    try:
        yield
    except BaseException as error:
        kept = Path(tempfile.mkdtemp(prefix="tuitrain-damaged-")) / file.name
        kept.write_bytes(damaged.content)
        error.add_note(f"{damaged.what}, kept as {kept}; the like of it: {plan.REPLAY}")
        raise
