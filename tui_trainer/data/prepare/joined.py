"""Several sources as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import KIND_NOUNS
from tui_trainer.data.prepare.source import (
    SPLITS,
    AnyLabels,
    Block,
    Facts,
    HereTask,
    ReadTask,
    ReadySource,
    Source,
)
from tui_trainer.data.split import split_off
from tui_trainer.errors import DatasetError
from tui_trainer.store.source_stamps import STAMP_LIST


@dataclass(frozen=True)
class _Renumbered:
    """A task whose samples begin at another number."""

    task: ReadTask
    first: int

    def __call__(self) -> Block:
        block = self.task()
        return replace(block, numbers_B=block.numbers_B + self.first)


def join_sources(sources: Sequence[Source], test_share: float, seed: int) -> Source:
    """The samples of all sources, one source after the other; classes of one name are one.

    A source without splits of its own gives the share `test_share` to the test split.

    Raises:
        DatasetError: their samples or labels are of different kinds.
    """
    first = sources[0].facts
    for source in sources[1:]:
        _check_alike(first, source.facts)
    names = dict.fromkeys(name for source in sources for name in source.facts.classes)
    classes = tuple(names)
    lists = b"".join(source.files.get(STAMP_LIST, b"") for source in sources)
    return ReadySource(
        facts=replace(
            first,
            classes=classes,
            title=" + ".join(source.facts.title for source in sources),
            origin="; ".join(dict.fromkeys(source.facts.origin for source in sources)),
        ),
        labels_N=np.concatenate([_relabel(source, classes) for source in sources]),
        splits_N=np.concatenate([_splits_of(source, test_share, seed) for source in sources]),
        read=lambda: _read_all(sources),
        skipped=tuple(one for source in sources for one in source.skipped),
        is_heavy=any(source.is_heavy for source in sources),
        stamps={path: stamp for source in sources for path, stamp in source.stamps.items()},
        files={STAMP_LIST: lists} if lists else {},
    )


def _check_alike(one: Facts, other: Facts) -> None:
    remedy = "Join datasets of one kind; bring images to one form with --size and --color."
    if one.kind != other.kind:
        nouns = f"{KIND_NOUNS[one.kind]} with {KIND_NOUNS[other.kind]}"
        raise DatasetError(f"They cannot be joined: {nouns}.", remedy)
    if one.kind == "tokens":
        raise DatasetError(
            "Texts cannot be joined: each dataset has a vocabulary of its own.",
            "Join the files themselves, and name the result.",
        )
    if one.shape != other.shape:
        shapes = " and ".join("×".join(map(str, facts.shape)) for facts in (one, other))
        raise DatasetError(f"They cannot be joined: samples of {shapes}.", remedy)
    if (one.task, one.targets) != (other.task, other.targets):
        raise DatasetError(
            f"They cannot be joined: {one.task} and {other.task}, or other targets.", remedy
        )


def _relabel(source: Source, classes: tuple[str, ...]) -> AnyLabels:
    """A source's labels in the numbers of all classes."""
    facts, labels_N = source.facts, source.labels_N
    places_K = np.array([classes.index(name) for name in facts.classes], np.int64)
    if facts.task == "classification":
        numbers_N: AnyLabels = places_K[labels_N]
        return numbers_N
    if facts.task == "regression":
        return labels_N
    wide_NK = np.zeros((len(labels_N), len(classes)), np.uint8)
    wide_NK[:, places_K] = labels_N
    return wide_NK


def _splits_of(source: Source, test_share: float, seed: int) -> npt.NDArray[np.int8]:
    if source.splits_N is not None:
        return source.splits_N
    splits_N = np.zeros(len(source.labels_N), np.int8)
    _, tested = split_off(source.labels_N, test_share, seed)
    splits_N[tested] = SPLITS.index("test")
    return splits_N


def _read_all(sources: Sequence[Source]) -> Iterator[ReadTask]:
    first = 0
    for source in sources:
        for task in source.tasks():
            renumbered = _Renumbered(task, first)
            yield renumbered if source.is_heavy else HereTask(renumbered)
        first += len(source.labels_N)
