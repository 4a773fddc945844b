"""Datasets put into a data folder from arrays, as preparing puts them there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import PADDING_TOKEN, DatasetSpec, SourceFacts
from tui_trainer.data.prepare.engine import Preparation
from tui_trainer.data.prepare.source import SPLITS, Block, Facts, ReadTask, ReadySource, Source

Arrays = Mapping[str, tuple[Any, Any]]
"""Inputs and labels by split; texts N×L, padded."""


def make_source(entry: DatasetEntry, arrays: Arrays, origin: str = "made for tests") -> Source:
    """A source of arrays in memory, a block for each split."""
    labels_N = np.concatenate([labels for _, labels in arrays.values()])
    counts = [len(labels) for _, labels in arrays.values()]
    splits_N = np.repeat(np.array(list(map(SPLITS.index, arrays)), np.int8), counts)

    def read() -> Iterator[ReadTask]:
        first = 0
        for inputs, labels in arrays.values():
            numbers_B = np.arange(first, first + len(labels))
            first += len(labels)
            if entry.kind == "tokens":
                is_word_BL = inputs != PADDING_TOKEN
                block = Block(numbers_B, inputs[is_word_BL], is_word_BL.sum(1))
            else:
                block = Block(numbers_B, inputs)
            yield partial(_give, block)

    facts = Facts(
        kind=entry.kind,
        task=entry.task,
        shape=entry.shape,
        title=entry.title,
        origin=origin,
        classes=entry.classes,
        targets=entry.targets,
        vocabulary=entry.vocabulary,
    )
    return ReadySource(facts, labels_N, read, splits_N)


def _give(block: Block) -> Block:
    return block


def save_prepared(
    data_dir: Path, entry: DatasetEntry, arrays: Arrays, origin: str = "made for tests"
) -> DatasetSpec:
    """Publish arrays as the prepared dataset of a catalogue's entry."""
    facts = SourceFacts(reference=entry.name, preparation=PreparationConfig())
    source = make_source(entry, arrays, origin)
    return Preparation(data_dir, entry.name, source, facts, 1).run(lambda done, total: None)
