"""The rows of tables as they are listed: labels, splits, and which rows cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare.source import LEFT_OUT, SPLITS, AnyLabels
from tui_trainer.data.prepare.tables.chunks import Chunk
from tui_trainer.data.prepare.tables.columns import show, texts_of
from tui_trainer.data.prepare.tables.label_columns import LabelColumn, TagColumn
from tui_trainer.data.prepare.tables.label_meaning import (
    MAX_SKIPPED,
    Meaning,
    WantedTask,
    check_skipped,
    settle_column,
    settle_columns,
    settle_tags,
)
from tui_trainer.data.prepare.tables.roles import Roles
from tui_trainer.errors import DatasetError

_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
_TAG_SEPARATORS = ";|"


@dataclass(frozen=True)
class Listed:
    """All rows that have columns, R of them, of which N can be used.

    Attributes:
        meaning: What the labels mean; `labels_N` of those that can be used.
        kept_R: Which can be used.
        splits_N: As in `Source`.
        skipped: Rows that cannot.
    """

    meaning: Meaning
    labels_N: AnyLabels
    kept_R: npt.NDArray[np.bool_]
    splits_N: npt.NDArray[np.int8] | None
    skipped: tuple[Skipped, ...]


class RowListing:
    """Takes in chunk after chunk."""

    def __init__(self, roles: Roles, names: Sequence[str], wanted: WantedTask) -> None:
        self._roles, self._wanted = roles, wanted
        self._names = [names[column] for column in roles.labels]
        self._has_tags = wanted == "multilabel" and len(roles.labels) == 1
        self._tags = TagColumn(_TAG_SEPARATORS)
        self._labels = [LabelColumn() for _ in roles.labels]
        self._usable: list[npt.NDArray[np.bool_]] = []
        self._splits: list[npt.NDArray[np.int8]] = []
        self._rows: list[npt.NDArray[np.int32]] = []
        # Where the rows of each table begin, and what they are called.
        self._starts: list[tuple[int, str]] = []
        self._count = 0
        self._skipped: list[Skipped] = []

    def begin(self, prefix: str) -> None:
        """What follows is of another table, whose rows are called `prefix` and their number."""
        self._starts.append((self._count, prefix))

    def add(self, chunk: Chunk, split: str, bad: Mapping[int, str]) -> None:
        """Take in the rows of a chunk; `bad` are those whose inputs cannot be used, by place."""
        if self._has_tags:
            self._tags.add(texts_of(chunk.columns[self._roles.labels[0]]))
        else:
            for column, labels in zip(self._roles.labels, self._labels, strict=True):
                labels.add(chunk.columns[column])
        prefix = self._starts[-1][1]
        for row, reason in chunk.skipped:
            self._skip(f"{prefix}{row}", reason)
        usable_B = np.ones(len(chunk.rows), np.bool_)
        splits_B = np.full(len(chunk.rows), SPLITS.index(split) if split else LEFT_OUT, np.int8)
        unknown = {} if split or self._roles.split is None else self._read_splits(chunk, splits_B)
        for place, reason in sorted({**unknown, **bad}.items()):
            usable_B[place] = False
            self._skip(f"{prefix}{chunk.rows[place]}", reason)
        self._usable.append(usable_B)
        self._splits.append(splits_B)
        self._rows.append(np.array(chunk.rows, np.int32))
        self._count += len(chunk.rows)

    def finish(self) -> Listed:
        """What the labels mean, and what is left to be learnt from.

        Raises:
            DatasetError: nothing is.
        """
        if self._skipped:
            check_skipped(len(self._skipped), self._skipped[0].reason)
        if not self._count:
            told = f": {self._skipped[0].name}: {self._skipped[0].reason}" if self._skipped else ""
            raise DatasetError(
                f"There is no row that can be read{told}.",
                "Name a table with rows below its header.",
            )
        usable_R = np.concatenate(self._usable)
        meaning = self._settle(usable_R)
        kept_R = usable_R.copy()
        kept_R[list(meaning.bad)] = False
        if not kept_R.any():
            raise DatasetError(
                f"No row of {len(kept_R)} can be used, such as because {self._why(meaning)}.",
                "Name other columns with --inputs and --label.",
            )
        fresh = [number for number in sorted(meaning.bad) if usable_R[number]]
        rows_R = np.concatenate(self._rows)
        named = [
            Skipped(name=f"{self._prefix_of(number)}{rows_R[number]}", reason=meaning.bad[number])
            for number in fresh
        ]
        has_splits = self._roles.split is not None or len(self._starts) > 1
        splits_N = np.concatenate(self._splits)[kept_R] if has_splits else None
        if splits_N is not None:
            _check_splits(splits_N)
        return Listed(meaning, meaning.labels_N[kept_R], kept_R, splits_N, (*self._skipped, *named))

    def _skip(self, name: str, reason: str) -> None:
        # One more than is allowed says that it is too much; memory stays bounded.
        if len(self._skipped) <= MAX_SKIPPED:
            self._skipped.append(Skipped(name=name, reason=reason))

    def _why(self, meaning: Meaning) -> str:
        return self._skipped[0].reason if self._skipped else next(iter(meaning.bad.values()))

    def _settle(self, usable_R: npt.NDArray[np.bool_]) -> Meaning:
        if self._has_tags:
            return settle_tags(self._tags, self._names[0])
        if len(self._labels) > 1:
            return settle_columns(self._labels, self._names, self._wanted)
        return settle_column(self._labels[0], usable_R, name=self._names[0], wanted=self._wanted)

    def _prefix_of(self, number: int) -> str:
        return next(prefix for start, prefix in reversed(self._starts) if number >= start)

    def _read_splits(self, chunk: Chunk, splits_B: npt.NDArray[np.int8]) -> dict[int, str]:
        """Fill in the split of each row; why others have none comes back."""
        assert self._roles.split is not None
        unknown = {}
        for place, text in enumerate(texts_of(chunk.columns[self._roles.split])):
            split = _SPLIT_WORDS.get(text.lower())
            if split is None:
                unknown[place] = f"its split {show(text)} is not train, test or validation"
            else:
                splits_B[place] = SPLITS.index(split)
        return unknown


def _check_splits(splits_N: npt.NDArray[np.int8]) -> None:
    for split in ("train", "test"):
        if not (splits_N == SPLITS.index(split)).any():
            raise DatasetError(
                f"No usable row is of the split {split}.",
                "Give each row train, test or validation in the column split, or rename it.",
            )
