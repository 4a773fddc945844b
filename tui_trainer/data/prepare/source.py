"""What datasets are prepared from: samples that are read block by block, in any process."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import Kind, Skipped, Task
from tui_trainer.store.source_stamps import (
    ABSENT,
    MOST_STAMPS,
    STAMP_LIST,
    Stamp,
    list_stamps,
    stamp_present,
)

Indices = npt.NDArray[np.int64]
AnyLabels = npt.NDArray[Any]
"""As `LABEL_DTYPES` says: int64 N, uint8 N×K or float32 N×T."""

SPLITS = ("train", "test", "validation")
"""What the numbers in `Source.splits_N` mean."""
LEFT_OUT = -1
"""In `Source.splits_N`: of no split, as it was found unreadable while the source was listed."""


@dataclass(frozen=True)
class Facts:
    """What is known of a source's samples before they are read.

    Attributes:
        shape: Of a sample, as in `DatasetSpec`; of texts (the longest there may be,).
        classes: What labels mean; empty in a regression, whose `targets` name the columns.
        features: Names of the columns of a table, where they have some.
        vocabulary: How many tokens there are, of texts.
        origin: Where the data come from, a clause for people.
    """

    kind: Kind
    task: Task
    shape: tuple[int, ...]
    title: str
    origin: str
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    vocabulary: int = 0


@dataclass(frozen=True)
class Block:
    """Samples that were read.

    Attributes:
        numbers_B: Which samples of the source they are, int64, ascending.
        inputs: B×`Facts.shape`, as `INPUT_DTYPES` says; of texts all tokens one after the other.
        lengths_B: Of texts, how many tokens each has, int64.
        skipped: Samples that could not be read, which are not among the others.
        stamps: The files that were read for it, as of `list_stamps`, where the source has not
            stamped them before.
    """

    numbers_B: Indices
    inputs: npt.NDArray[Any]
    lengths_B: Indices | None = None
    skipped: tuple[Skipped, ...] = ()
    stamps: bytes = b""


ReadTask = Callable[[], Block]
"""Reads one block. It can be pickled, as other processes run it, and holds no open file."""


@dataclass(frozen=True)
class HereTask:
    """A task for the process that prepares: it is quick, or what it needs cannot be sent away."""

    task: ReadTask

    def __call__(self) -> Block:
        """Read the block."""
        return self.task()


class Source(Protocol):
    """Samples numbered 0 … N−1, of which all but the inputs is known at once.

    Attributes:
        facts: What the samples are.
        labels_N: The label of each sample, int64 N, uint8 N×K or float32 N×T.
        splits_N: The split of each sample, int8: a place in `SPLITS`, or `LEFT_OUT`; None where
            the source has no split of its own, and one is made.
        skipped: Samples found unreadable while the source was listed; they have no number, or one
            that is `LEFT_OUT`.
        is_heavy: Whether reading a block takes so long that several processes are worth it.
        stamps: As in `SourceFacts`.
        files: Further files to keep with the dataset, by name, such as a vocabulary, or the stamps
            of very many files.
    """

    @property
    def facts(self) -> Facts: ...
    @property
    def labels_N(self) -> AnyLabels: ...
    @property
    def splits_N(self) -> npt.NDArray[np.int8] | None: ...
    @property
    def skipped(self) -> tuple[Skipped, ...]: ...
    @property
    def is_heavy(self) -> bool: ...
    @property
    def stamps(self) -> Mapping[str, Stamp]: ...
    @property
    def files(self) -> Mapping[str, bytes]: ...

    def tasks(self) -> Iterator[ReadTask]:
        """What reads all samples, a block each, in the order of their numbers."""


@dataclass(frozen=True)
class ReadySource:
    """A source whose blocks are read by what it was made with."""

    facts: Facts
    labels_N: AnyLabels
    read: Callable[[], Iterator[ReadTask]]
    splits_N: npt.NDArray[np.int8] | None = None
    skipped: tuple[Skipped, ...] = ()
    is_heavy: bool = False
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def tasks(self) -> Iterator[ReadTask]:
        """What reads all samples."""
        return self.read()


@dataclass(frozen=True)
class Stamps:
    """What tells later whether a source has changed.

    Attributes:
        few: As `Source.stamps`.
        files: Of `Source.files` the list of all others; empty where there are none.
    """

    few: Mapping[str, Stamp] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def are_many(count: int) -> bool:
    """Whether so many files stand in a list of their own, and not in the manifest."""
    return count > MOST_STAMPS


def stamp_source(main: Mapping[str, Stamp], root: Path, names: Iterable[str]) -> Stamps:
    """The stamps of a source: those of its folders or tables, and of the files that these told of.

    `names` are relative to `root`, which is absolute; one that is missing is stamped as missing.
    A source stamps its folders and tables before it reads them, and the files before it reads
    these, so that no change is lost in between.
    """
    told, more = dict(main), list(dict.fromkeys(names))
    # As `os.path.join` does it, many times as fast.
    prefix = os.path.join(root, "")
    paths = (name if name.startswith("/") else prefix + name for name in more)
    stamped = ((path, stamp_present(path)) for path in paths)
    if not are_many(len(told) + len(more)):
        told |= stamped
    few = {path: told[path] for path in list(told)[:MOST_STAMPS] if _is_text(path)}
    records = list_stamps((path, stamp) for path, stamp in told.items() if path not in few)
    records += list_stamps(stamped)
    return Stamps(few, {STAMP_LIST: records} if records else {})


def stamp_splits(
    folder: Path,
    split_names: Mapping[str, str],
    found: Collection[str],
    endings: Iterable[str],
) -> dict[str, Stamp]:
    """The stamps of what is missing in a folder with a file for each split.

    `split_names` are what such files may be called, without their ending, and which split each
    is; `found` are the splits that are there.
    """
    stems = [stem for stem, split in split_names.items() if split not in found]
    return {str(folder / (stem + ending)): ABSENT for stem in stems for ending in endings}


def _is_text(path: str) -> bool:
    """Whether a path has only characters, so that it can stand in a manifest."""
    return path == path.encode(errors="ignore").decode()


def stamp_files(*paths: Path) -> dict[str, Stamp]:
    """The stamps of files or folders, by path.

    Raises:
        OSError: one is missing.
    """
    found = {}
    for path in paths:
        status = path.stat()
        found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found
