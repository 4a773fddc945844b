"""Columns of a table: what they hold, and how they become features."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tui_trainer.core.text_safety import sanitize

Numbers = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Column: TypeAlias = "Sequence[str] | Numbers"
"""Values of a column: texts as they stand in a file, or numbers, of which NaN is a missing one."""

MISSING = frozenset({"", "?", "na", "n/a", "nan", "-nan", "null", "none"})
"""Texts, in lower case, that say that a value is missing."""
MAX_CATEGORIES = 64
"""Different values of a column of text that becomes features."""
NUMERIC_SHARE = 0.99
"""Share of a column's values that are numbers where the others are taken as mistakes."""

NAME_LENGTH = 200
_USUAL_MISSING = frozenset({"", "NA", "N/A", "?", "null", "None"})
_WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_SHOWN_LENGTH = 40


def parse_number(text: str) -> float | None:
    """The number that a text is; NaN where it is missing, None where it is none or not finite."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        return math.nan if text.lower() in MISSING else None
    if math.isinf(number) or "_" in text:
        return None
    return number


def parse_numbers(column: Column) -> Numbers:
    """The numbers of a column: NaN where they are missing, infinite where it is none."""
    if isinstance(column, np.ndarray):
        return column
    known = column
    for _ in range(2):
        try:
            # Python takes 1_000 for a number; in data it is a text.
            if "_" not in "".join(known):
                return np.fromiter(map(float, known), np.float64, len(known))
        except ValueError:
            # Missing values, or others that are no number either, of which each is looked at.
            known = ["nan" if text in _USUAL_MISSING else text for text in column]
    parsed = {text: parse_number(text) for text in set(column)}
    numbers = {text: math.inf if number is None else number for text, number in parsed.items()}
    return np.fromiter(map(numbers.__getitem__, column), np.float64, len(column))


def to_features(values: Numbers) -> Features:
    """Numbers as they are kept, a copy; those too large for float32 are infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def explain_number(name: str, text: str) -> str:
    """Why a value of a column of numbers cannot be used."""
    return f"{show(text)} in column {show(name)} is no number that can be kept"


def texts_of(column: Column) -> Sequence[str]:
    """The values as texts, whole numbers without a fraction, missing ones empty."""
    if not isinstance(column, np.ndarray):
        return [text.strip() for text in column]
    return ["" if math.isnan(number) else format_value(number) for number in column.tolist()]


def format_value(number: float) -> str:
    """A number as the name of a class."""
    return str(int(number)) if math.isfinite(number) and number == int(number) else repr(number)


def is_whole_text(text: str) -> bool:
    """Whether a text is a whole number in digits, however large."""
    return _WHOLE.fullmatch(text) is not None


def show(text: str) -> str:
    """A text from data in quotation marks, short and safe."""
    shown = sanitize(text, limit=_SHOWN_LENGTH + 1)
    return f"'{shown if len(shown) <= _SHOWN_LENGTH else shown[:_SHOWN_LENGTH] + '…'}'"


def clean_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Names from data as they are kept: safe for a terminal, not too long, each different."""
    taken: set[str] = set()
    names = []
    for text in texts:
        name = plain = sanitize(text, limit=NAME_LENGTH).strip() or "unnamed"
        number = 2
        while name in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(name)
        names.append(name)
    return tuple(names)


@dataclass
class ColumnProfile:
    """What a column was seen to hold.

    Attributes:
        rows, missing, numbers: Values in all, missing ones, and those that are finite numbers.
        texts: Different values, of which more than `MAX_CATEGORIES` are not looked for.
        odd: A value that is neither missing nor a number, if there is one.
    """

    name: str
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    texts: set[str] = field(default_factory=set)
    odd: str = ""

    def add(self, column: Column, values: Numbers) -> None:
        """Look at further values, and at them as numbers."""
        self.rows += len(values)
        self.missing += int(np.isnan(values).sum())
        self.numbers += int(np.isfinite(values).sum())
        is_odd = np.isinf(values)
        if not self.odd and is_odd.any():
            self.odd = texts_of(column)[int(is_odd.argmax())]
        if len(self.texts) <= MAX_CATEGORIES:
            distinct = texts_of(
                np.unique(column) if isinstance(column, np.ndarray) else [*set(column)]
            )
            found = {text for text in distinct if text.lower() not in MISSING}
            self.texts |= set(sorted(found)[: MAX_CATEGORIES + 1])

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing."""
        return self.missing > 0

    @property
    def is_empty(self) -> bool:
        """Whether every value is missing."""
        return self.missing == self.rows

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers, but for a few mistakes."""
        return self.numbers >= NUMERIC_SHARE * (self.rows - self.missing)


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, a feature as it is.

    Attributes:
        fill: What stands for a missing value, of which a second feature says that it is; None
            where none is missing.
    """

    name: str
    fill: float | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return (self.name,) if self.fill is None else (self.name, f"{self.name} is missing")

    def encode(self, column: Column, out_BF: Features) -> npt.NDArray[np.bool_]:
        """Write the features; which values could not be used comes back."""
        values_B = to_features(parse_numbers(column))
        missing_B = np.isnan(values_B)
        bad_B = np.isinf(values_B)
        if self.fill is None:
            bad_B |= missing_B
        else:
            values_B[missing_B] = self.fill
            out_BF[:, 1] = missing_B
        out_BF[:, 0] = values_B
        return bad_B


@dataclass(frozen=True)
class CategoryColumn:
    """A column of texts, for each value a feature that is 1 where the column has it."""

    name: str
    values: tuple[str, ...]
    has_missing: bool

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        named = tuple(f"{self.name}={value}" for value in self.values)
        return (*named, f"{self.name} is missing") if self.has_missing else named

    def encode(self, column: Column, out_BF: Features) -> npt.NDArray[np.bool_]:
        """Write the features; which values could not be used comes back."""
        places = {value: place for place, value in enumerate(self.values)}
        if self.has_missing:
            places[""] = len(self.values)
        texts = texts_of(column)
        place_of = {
            text: places.get("" if text.lower() in MISSING else text, -1) for text in set(texts)
        }
        places_B = np.fromiter(map(place_of.__getitem__, texts), np.int64, len(texts))
        out_BF[:] = 0
        known_B = np.flatnonzero(places_B >= 0)
        out_BF[known_B, places_B[known_B]] = 1
        return places_B < 0
