"""Labels as they are read, piece by piece, before it is known what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.data.prepare.tables.columns import (
    MISSING,
    Column,
    format_value,
    parse_number,
    parse_numbers,
    show,
)
from tui_trainer.errors import DatasetError

MAX_CLASSES = 10_000
MAX_TAGS = 1_000
MISSING_CODE = -1
_MAX_LENGTH = 4096


class LabelColumn:
    """One column of labels: which texts it holds, or, if these are too many, which numbers.

    Attributes:
        texts: The different texts, in the order in which they came.
    """

    def __init__(self, missing: frozenset[str] = MISSING) -> None:
        """`missing` are the texts, in lower case, that are no label."""
        self.texts: list[str] = []
        self._missing = missing
        self._places: dict[str, int] = {}
        self._codes: list[npt.NDArray[np.int32]] = []
        self._numbers: list[npt.NDArray[np.float32]] | None = None

    def add(self, column: Column | npt.NDArray[Any]) -> None:
        """Take in further labels: texts, or numbers of any type.

        Raises:
            DatasetError: one is too long to be a label.
        """
        if self._numbers is not None:
            self._numbers.append(_to_float32(column))
            return
        distinct, codes = _distinct(column)
        places = np.fromiter((self._place(text) for text in distinct), np.int32, len(distinct))
        self._codes.append(places[codes])
        if len(self.texts) > MAX_CLASSES:
            self._go_over_to_numbers()

    @property
    def codes_N(self) -> npt.NDArray[np.int32] | None:
        """Which of `texts` each label is, or `MISSING_CODE`; None where there are too many."""
        if self._numbers is not None:
            return None
        return np.concatenate([np.empty(0, np.int32), *self._codes])

    @property
    def numbers_N(self) -> npt.NDArray[np.float32]:
        """The labels as numbers: NaN where they are missing, infinite where they are none."""
        if self._numbers is not None:
            return np.concatenate([np.empty(0, np.float32), *self._numbers])
        return np.concatenate(
            [np.empty(0, np.float32), *(self._table()[codes] for codes in self._codes)]
        )

    def _place(self, text: str) -> int:
        if len(text) > _MAX_LENGTH:
            raise DatasetError(
                f"A label is {len(text)} characters long: {show(text)}.",
                "Name the column or array of the labels with --label.",
            )
        if text.lower() in self._missing:
            return MISSING_CODE
        place = self._places.setdefault(text, len(self._places))
        if place == len(self.texts):
            self.texts.append(text)
        return place

    def _table(self) -> npt.NDArray[np.float32]:
        """The number that each text is; the last stands for a missing one."""
        numbers = [parse_number(text) for text in self.texts]
        table = [math.inf if number is None else number for number in numbers]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array([*table, math.nan], np.float32)

    def _go_over_to_numbers(self) -> None:
        table = self._table()
        self._numbers = [table[codes] for codes in self._codes]
        self._codes, self._places, self.texts = [], {}, []


class TagColumn:
    """One column in which each label is a list of tags."""

    def __init__(self, separators: str) -> None:
        """Any of `separators` stands between two tags."""
        self.tags: dict[str, int] = {}
        self._separators = separators
        self._found: list[int] = []
        self._ends = [0]

    def add(self, column: Column) -> None:
        """Take in further labels.

        Raises:
            DatasetError: there are too many tags.
        """
        first, others = self._separators[0], self._separators[1:]
        for label in _as_texts(column):
            for separator in others:
                label = label.replace(separator, first)
            words = (word.strip() for word in label.split(first))
            for word in dict.fromkeys(word for word in words if word):
                self._found.append(self.tags.setdefault(word, len(self.tags)))
            self._ends.append(len(self._found))
            if len(self.tags) > MAX_TAGS:
                raise DatasetError(
                    f"The labels hold more than {MAX_TAGS} different tags, such as "
                    f"{show(next(reversed(self.tags)))}.",
                    "Name the column of the labels with --label.",
                )

    def vectors_NK(self, order: Sequence[str]) -> npt.NDArray[np.uint8]:
        """1 where a label has the tag."""
        column_of = np.zeros(len(self.tags), np.int64)
        for place, tag in enumerate(order):
            column_of[self.tags[tag]] = place
        vectors_NK = np.zeros((len(self._ends) - 1, len(order)), np.uint8)
        for row, (start, end) in enumerate(pairwise(self._ends)):
            vectors_NK[row, column_of[self._found[start:end]]] = 1
        return vectors_NK


def _distinct(
    column: Column | npt.NDArray[Any],
) -> tuple[Sequence[str], npt.NDArray[np.int64]]:
    """The different labels as texts, and which of them each is."""
    if isinstance(column, np.ndarray):
        values, codes = np.unique(column, return_inverse=True)
        return list(_as_texts(values)), codes.reshape(-1)
    places: dict[str, int] = {}
    found = (places.setdefault(text, len(places)) for text in map(str.strip, column))
    codes = np.fromiter(found, np.int64, len(column))
    return list(places), codes


def _as_texts(column: Column | npt.NDArray[Any]) -> Iterable[str]:
    if not isinstance(column, np.ndarray):
        return column
    if column.dtype.kind in "biu":
        return [str(int(value)) for value in column.tolist()]
    return [
        "" if math.isnan(value) else format_value(value)
        for value in column.astype(np.float64).tolist()
    ]


def _to_float32(column: Column | npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(column, np.ndarray) and column.dtype.kind in "biu":
            return column.astype(np.float32)
        return parse_numbers(column).astype(np.float32)
