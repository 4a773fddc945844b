"""Made-up pictures that can be learnt: to try a machine, a model or a setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.randomness import mix_seed
from tui_trainer.data.prepare.catalog.arrays import block_length, facts_of
from tui_trainer.data.prepare.source import SPLITS, Block, ReadTask, ReadySource, Source

_PATTERNS, _SAMPLES = 0x70617474, 0x73616D70
_NUM_WAVES = 3
_HIGHEST_FREQUENCY = 4
# How much of a picture is its pattern, of 256; the rest is noise.
_PATTERN_PARTS = 160
_HEAVY_SIDE = 64


@dataclass(frozen=True)
class PatternTask:
    """Makes `count` pictures from number `first` on, the same in any process and order."""

    first: int
    count: int
    num_classes: int
    shape: tuple[int, int, int]
    seed: int

    def __call__(self) -> Block:
        """The pictures: the pattern of the class, moved by any distance, under noise."""
        generator = _generator(self.seed, _SAMPLES, self.first)
        numbers_B = np.arange(self.first, self.first + self.count, dtype=np.int64)
        pictures = generator.integers(0, 256, (self.count, *self.shape), dtype=np.uint8)
        moves = generator.integers(0, max(self.shape[1:]), (self.count, 2))
        for label in range(self.num_classes):
            chosen = np.flatnonzero(numbers_B % self.num_classes == label)
            if not len(chosen):
                continue
            pattern = _draw_pattern(self.seed, label, self.shape).astype(np.uint16)
            pattern *= _PATTERN_PARTS
            for place in chosen:
                mixed = pictures[place].astype(np.uint16) * np.uint16(256 - _PATTERN_PARTS)
                mixed += np.roll(pattern, tuple(moves[place]), axis=(1, 2))
                pictures[place] = mixed >> 8
        return Block(numbers_B, pictures)


def open_synthetic(entry: DatasetEntry, preparation: PreparationConfig) -> Source:
    """Pictures of any size, gray or in colour; another seed makes others."""
    channels = {"auto": entry.shape[0], "gray": 1, "rgb": 3}[preparation.color]
    height, width = (preparation.size,) * 2 if preparation.size else entry.shape[1:]
    shape = (channels, height, width)
    total = entry.train_count + entry.test_count
    length = block_length(shape)

    def list_tasks() -> Iterator[ReadTask]:
        for first in range(0, total, length):
            count = min(length, total - first)
            yield PatternTask(first, count, entry.num_classes, shape, preparation.seed)

    splits_N = np.zeros(total, np.int8)
    splits_N[entry.train_count :] = SPLITS.index("test")
    return ReadySource(
        facts=facts_of(entry, f"made by tuitrain from seed {preparation.seed}", shape),
        labels_N=np.arange(total, dtype=np.int64) % entry.num_classes,
        read=list_tasks,
        splits_N=splits_N,
        is_heavy=height >= _HEAVY_SIDE,
    )


def _draw_pattern(seed: int, label: int, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Waves that fit the picture a whole number of times, so that it can be moved round."""
    generator = _generator(seed, _PATTERNS, label)
    rows_H, columns_W = (
        (2 * np.pi * np.arange(side) / side).astype(np.float32) for side in shape[1:]
    )
    pattern_CHW = np.empty(shape, np.uint8)
    for channel in pattern_CHW:
        waves_HW = np.zeros(shape[1:], np.float32)
        for _ in range(_NUM_WAVES):
            down, across = generator.integers(-_HIGHEST_FREQUENCY, _HIGHEST_FREQUENCY + 1, 2)
            down_H = down * rows_H + np.float32(2 * np.pi * generator.random())
            across_W = across * columns_W
            # The cosine of their sums.
            waves_HW += np.outer(np.cos(down_H), np.cos(across_W))
            waves_HW -= np.outer(np.sin(down_H), np.sin(across_W))
        channel[...] = (127.5 * (1 + waves_HW / _NUM_WAVES)).clip(0, 255)
    return pattern_CHW


def _generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=mix_seed(seed, purpose, number)))
