"""What the labels of texts mean: a class, several, or numbers."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from tui_trainer.core.specs import Task
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import AnyLabels
from tui_trainer.data.prepare.tables.columns import (
    NAME_LENGTH,
    clean_names,
    is_whole_text,
    parse_number,
    show,
)
from tui_trainer.data.prepare.tables.label_columns import MAX_CLASSES, MAX_TAGS
from tui_trainer.data.prepare.texts.records import Label
from tui_trainer.errors import DatasetError

TAG_SEPARATOR = "|"
# Bytes of the labels of all texts, each with its class or not: they are in memory at once.
_MAX_TAG_BYTES = 1 << 28
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Labels:
    """The labels of all texts; `classes` or `targets` say what they mean."""

    labels_N: AnyLabels
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class LabelRule(Protocol):
    """Understands labels one by one, and gathers them."""

    @property
    def task(self) -> Task: ...

    def parse(self, labels: tuple[Label, ...]) -> Any:
        """What `add` takes; a ValueError tells why a text has no label."""

    def add(self, parsed: Any) -> None:
        """Gather the label of the next text.

        Raises:
            DatasetError: there are too many different ones.
        """

    def finish(self) -> Labels:
        """All labels gathered.

        Raises:
            DatasetError: nothing can be learnt from them.
        """


def choose_rule(first: Sequence[tuple[Label, ...]], names: tuple[str, ...], task: str) -> LabelRule:
    """The rule for a task; with `auto` by the labels of the first texts.

    Where most are lists, these are several labels. Several columns are labels that apply or not
    where they hold 0 and 1, else targets. One column is a target where it holds numbers of which
    one is not whole, else a class.
    """
    if task == "auto":
        task = _guess_task(first, names)
    if task == "regression":
        return _Targets(names)
    if task == "multilabel":
        return _Flags(names) if len(names) > 1 else _Tags()
    if len(names) > 1:
        raise DatasetError(
            f"A class cannot be told from the {len(names)} columns {', '.join(map(show, names))}.",
            "Name one with --label; or, for labels of 0 and 1, choose --task multilabel.",
        )
    return _Classes()


def _guess_task(first: Sequence[tuple[Label, ...]], names: tuple[str, ...]) -> Task:
    values = [label for labels in first for label in labels]
    if len(names) > 1:
        return "multilabel" if {value for value in values if value} <= {"0", "1"} else "regression"
    if 2 * sum(isinstance(value, tuple) for value in values) > len(values):
        return "multilabel"
    numbers = [parse_number(value) for value in values if isinstance(value, str) and value]
    if not numbers or None in numbers:
        return "classification"
    return (
        "regression" if any(n != n or n % 1 for n in numbers if n is not None) else "classification"
    )


class _Classes:
    task: Task = "classification"

    def __init__(self) -> None:
        self._codes = _Codes(MAX_CLASSES)
        self._labels = array("q")

    def parse(self, labels: tuple[Label, ...]) -> str:
        (label,) = labels
        if isinstance(label, tuple):
            if len(label) > 1:
                raise ValueError("it has several labels")
            label = label[0] if label else ""
        name = _clean(label)
        if not name:
            raise ValueError("it has no label")
        return name

    def add(self, parsed: str) -> None:
        self._labels.append(self._codes.code(parsed))

    def finish(self) -> Labels:
        codes_N = np.frombuffer(self._labels, np.int64)
        classes, place_of_K = self._codes.sort()
        if len(classes) == 1:
            raise DatasetError(
                f"All texts are of one class: {show(classes[0])}.",
                "Add texts of another class, or name the column of the labels with --label.",
            )
        return Labels(place_of_K[codes_N], classes)


class _Tags:
    """One column with any number of labels, as a list or with bars between them."""

    task: Task = "multilabel"

    def __init__(self) -> None:
        self._codes = _Codes(MAX_TAGS)
        self._found = array("q")
        self._ends = array("q", [0])

    def parse(self, labels: tuple[Label, ...]) -> list[str]:
        (label,) = labels
        parts = label.split(TAG_SEPARATOR) if isinstance(label, str) else label
        return [name for name in dict.fromkeys(map(_clean, parts)) if name]

    def add(self, parsed: list[str]) -> None:
        self._found.extend(map(self._codes.code, parsed))
        self._ends.append(len(self._found))
        if len(self._ends) * self._codes.count > _MAX_TAG_BYTES:
            raise DatasetError(
                f"{len(self._ends)} texts with {self._codes.count} labels, each of which applies "
                "or not, are too many.",
                "Leave out rare labels.",
            )

    def finish(self) -> Labels:
        classes, place_of_K = self._codes.sort()
        if not classes:
            raise DatasetError("No text has a label.", "Name their column with --label.")
        columns = place_of_K[np.frombuffer(self._found, np.int64)]
        labels_NK = np.zeros((len(self._ends) - 1, len(classes)), np.uint8)
        for row_K, (start, end) in zip(labels_NK, pairwise(self._ends), strict=True):
            row_K[columns[start:end]] = 1
        return Labels(labels_NK, classes)


class _Flags:
    """A column for each label, 1 where it applies."""

    task: Task = "multilabel"

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._found = array("B")

    def parse(self, labels: tuple[Label, ...]) -> list[int]:
        for name, label in zip(self._names, labels, strict=True):
            if label not in ("0", "1", "true", "false"):
                raise ValueError(f"its {show(name)} is neither 0 nor 1")
        return [int(label in ("1", "true")) for label in labels]

    def add(self, parsed: list[int]) -> None:
        self._found.extend(parsed)

    def finish(self) -> Labels:
        labels_NK = np.frombuffer(self._found, np.uint8).reshape(-1, len(self._names))
        return Labels(labels_NK, clean_names(self._names))


class _Targets:
    """A number in each column."""

    task: Task = "regression"

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._found = array("f")

    def parse(self, labels: tuple[Label, ...]) -> list[float]:
        numbers = []
        for name, label in zip(self._names, labels, strict=True):
            number = parse_number(label) if isinstance(label, str) else None
            if number is None or not abs(number) <= _LARGEST:
                raise ValueError(f"its {show(name)} is no number that can be kept")
            numbers.append(number)
        return numbers

    def add(self, parsed: list[float]) -> None:
        self._found.extend(parsed)

    def finish(self) -> Labels:
        labels_NT = np.frombuffer(self._found, np.float32).reshape(-1, len(self._names))
        return Labels(labels_NT, targets=clean_names(self._names))


class _Codes:
    """Numbers for names in the order in which they come, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._code_of: dict[str, int] = {}

    @property
    def count(self) -> int:
        return len(self._code_of)

    def code(self, name: str) -> int:
        code = self._code_of.setdefault(name, len(self._code_of))
        if code == self._most:
            raise DatasetError(
                f"There are more than {self._most} different labels.",
                "Name the column of the labels with --label; for numbers choose --task regression.",
            )
        return code

    def sort(self) -> tuple[tuple[str, ...], Any]:
        """The names, whole numbers by their value, and the place of each code among them."""
        names = list(self._code_of)
        if all(map(is_whole_text, names)):
            names.sort(key=lambda name: (int(name), name))
        else:
            names.sort()
        place_of_K = np.empty(len(names), np.int64)
        for place, name in enumerate(names):
            place_of_K[self._code_of[name]] = place
        return tuple(names), place_of_K


def _clean(label: str) -> str:
    """A label as the name of a class: composed, and without what a terminal would obey."""
    if len(label) > NAME_LENGTH:
        raise ValueError(f"its label is longer than {NAME_LENGTH} characters")
    return sanitize(unicodedata.normalize("NFC", label)).strip()
