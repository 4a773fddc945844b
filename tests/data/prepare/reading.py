"""Reading a source as preparing does, but at once."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

from tui_trainer.core.specs import INPUT_DTYPES, LABEL_DTYPES, Skipped
from tui_trainer.data.prepare.source import Source


@dataclass(frozen=True)
class Read:
    """All that a source gave: the samples that could be read, and those that could not."""

    numbers: list[int]
    inputs: Any
    texts: list[list[int]]
    labels: Any
    skipped: tuple[Skipped, ...]

    @property
    def reasons(self) -> dict[str, str]:
        """Why each skipped sample was, by name."""
        return {one.name: one.reason for one in self.skipped}


def read_all(source: Source) -> Read:
    """Run every task of a source as another process would, and check what each promises."""
    facts = source.facts
    assert source.labels_N.dtype == LABEL_DTYPES[facts.task]
    # Pickled here a moment ago: as it is on its way to another process.
    blocks = [pickle.loads(pickle.dumps(task))() for task in source.tasks()]  # noqa: S301
    for block in blocks:
        assert block.inputs.dtype == INPUT_DTYPES[facts.kind]
        if facts.kind != "tokens":
            assert block.inputs.shape == (len(block.numbers_B), *facts.shape)
    numbers = [int(n) for block in blocks for n in block.numbers_B]
    assert numbers == sorted(set(numbers))
    texts: list[list[int]] = []
    for block in blocks:
        if block.lengths_B is not None:
            ends = np.cumsum(block.lengths_B)
            assert not len(ends) or ends[-1] == len(block.inputs)
            texts += (
                [part.tolist() for part in np.split(block.inputs, ends[:-1])] if len(ends) else []
            )
    filled = [block.inputs for block in blocks if len(block.numbers_B)]
    return Read(
        numbers=numbers,
        inputs=np.concatenate(filled) if filled else np.empty((0, *facts.shape)),
        texts=texts,
        labels=source.labels_N[np.array(numbers, np.int64)],
        skipped=(*source.skipped, *(one for block in blocks for one in block.skipped)),
    )
