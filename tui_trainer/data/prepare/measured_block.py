"""Blocks made ready to be written by whoever read them: divided into splits, and measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import Skipped
from tui_trainer.data.moments import count_levels
from tui_trainer.data.prepare.checks import check_block, source_errors_told
from tui_trainer.data.prepare.source import SPLITS, Block, Facts, Indices, ReadTask

_DIGEST_BYTES = 8


@dataclass(frozen=True)
class SplitPart:
    """Those samples of a block that are of one split.

    Attributes:
        split: Which, a name in `SPLITS`.
        numbers_B: As in `Block`.
        inputs: As in `Block`, in one piece of memory.
        lengths_B: As in `Block`.
        digests_B: A hash of each sample's inputs, uint64.
        levels_CV: Of images, how many pixels of each channel have each level, int64 C×256.
    """

    split: str
    numbers_B: Indices
    inputs: npt.NDArray[Any]
    lengths_B: Indices | None
    digests_B: npt.NDArray[np.uint64]
    levels_CV: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class MeasuredBlock:
    """A block by its splits, and what could not be read of it; `stamps` as in `Block`."""

    parts: tuple[SplitPart, ...]
    skipped: tuple[Skipped, ...]
    stamps: bytes


@dataclass(frozen=True)
class BlockReader:
    """Runs tasks of a source and measures what they read: all that need not be done in order.

    Attributes:
        facts: What the samples are.
        splits_N: The split of each sample of the source, int8.
        reference: What people call the source.
    """

    facts: Facts
    splits_N: npt.NDArray[np.int8]
    reference: str

    def __call__(self, task: ReadTask) -> MeasuredBlock:
        """Read a block and measure it.

        Raises:
            DatasetError: the source cannot be read, or is not what it seemed.
        """
        with source_errors_told(self.reference):
            block = task()
        check_block(self.facts, block)
        return MeasuredBlock(tuple(self._divide(block)), block.skipped, block.stamps)

    def _divide(self, block: Block) -> Iterator[SplitPart]:
        splits_B = self.splits_N[block.numbers_B]
        for number, split in enumerate(SPLITS):
            is_here_B = splits_B == number
            if is_here_B.any():
                yield self._measure(split, _select(block, is_here_B))

    def _measure(self, split: str, block: Block) -> SplitPart:
        inputs = np.ascontiguousarray(block.inputs)
        if block.lengths_B is None:
            digests_B = digest_rows(inputs)
        else:
            digests_B = digest_texts(inputs, np.cumsum(block.lengths_B))
        return SplitPart(
            split=split,
            numbers_B=block.numbers_B,
            inputs=inputs,
            lengths_B=block.lengths_B,
            digests_B=digests_B,
            levels_CV=count_levels(inputs) if self.facts.kind == "image" else None,
        )


def _select(block: Block, is_here_B: npt.NDArray[np.bool_]) -> Block:
    """Some samples of a block; the block itself where they are all."""
    if is_here_B.all():
        return block
    numbers_B, lengths_B = block.numbers_B[is_here_B], block.lengths_B
    if lengths_B is None:
        return Block(numbers_B, block.inputs[is_here_B])
    return Block(numbers_B, block.inputs[np.repeat(is_here_B, lengths_B)], lengths_B[is_here_B])


def digest_rows(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """A hash of each row's bytes, uint64 N."""
    # Minus zero equals zero, but has other bytes.
    rows = rows + np.float32(0) if rows.dtype == np.float32 else rows
    flat = memoryview(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
    width = len(flat) // len(rows)
    return _digest(flat[start : start + width] for start in range(0, len(flat), width))


def digest_texts(tokens: npt.NDArray[Any], ends_N: Indices) -> npt.NDArray[np.uint64]:
    """A hash of each text's tokens, uint64 N."""
    return _digest(text.data for text in np.split(tokens, ends_N[:-1]))


def _digest(samples: Iterable[memoryview]) -> npt.NDArray[np.uint64]:
    hashes = (hashlib.blake2b(one, digest_size=_DIGEST_BYTES).digest() for one in samples)
    return np.frombuffer(b"".join(hashes), np.uint64)
