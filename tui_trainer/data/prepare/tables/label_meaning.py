"""What labels mean: classes, tags or numbers, by what they are and what a person wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import LABEL_DTYPES, Task
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import AnyLabels
from tui_trainer.data.prepare.tables.columns import (
    NUMERIC_SHARE,
    clean_names,
    format_value,
    is_whole_text,
    parse_number,
    show,
)
from tui_trainer.data.prepare.tables.label_columns import (
    MAX_CLASSES,
    MAX_TAGS,
    MISSING_CODE,
    LabelColumn,
    TagColumn,
)
from tui_trainer.errors import DatasetError

WantedTask = Literal["auto", "classification", "multilabel", "regression"]
Guess = Literal["by values", "classes", "numbers"]
"""What labels are taken for where nobody says: by what they are, or by their type."""

MAX_SKIPPED = 100_000
"""Samples that are listed as unfit at most; what has more of them is not what it was taken for."""

_FEW = 100
_MIN_SAMPLES = 2
_BY_LABEL = "Name the column or array of the labels with --label."


@dataclass(frozen=True)
class Meaning:
    """Labels as they are learnt.

    Attributes:
        labels_N: As in `Source`, of all that were looked at.
        bad: Those that are none, by number, with the reason.
    """

    task: Task
    labels_N: AnyLabels
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    bad: Mapping[int, str] = field(default_factory=dict)


def settle_column(
    column: LabelColumn,
    usable_N: npt.NDArray[np.bool_],
    *,
    name: str,
    wanted: WantedTask,
    guess: Guess = "by values",
    names: Sequence[str] = (),
) -> Meaning:
    """One label to a sample: a class or a number.

    By its values a column of numbers is one of classes if they are whole, at most 100 different
    ones, and each is there twice.

    Args:
        usable_N: Samples that can be used apart from their label.
        names: What the labels 0, 1, … mean, where that is known.

    Raises:
        DatasetError: nothing can be learnt from it, or not what is wanted.
    """
    codes_N = column.codes_N
    if codes_N is None:
        if names or wanted == "classification" or guess == "classes":
            raise DatasetError(
                f"The labels in {show(name)} are more than {MAX_CLASSES} different ones.",
                f"{_BY_LABEL[:-1]}; or take them as numbers with --task regression.",
            )
        return _settle_numbers([column], (name,))
    usable = codes_N[usable_N & (codes_N != MISSING_CODE)]
    counts = np.bincount(usable, minlength=len(column.texts))
    if not counts.sum():
        raise DatasetError(f"Not one usable sample has a label in {show(name)}.", _BY_LABEL)
    if names:
        return _settle_named(column, codes_N, counts, names)
    numbers = np.array([_number_of(text) for text in column.texts])
    is_number = np.isfinite(numbers)
    is_numeric = bool(counts[is_number].sum() >= NUMERIC_SHARE * counts.sum())
    if wanted == "auto":
        is_class = guess == "classes" or not is_numeric
        if guess == "by values" and is_numeric:
            is_class = _are_few(numbers[is_number], counts[is_number])
        wanted = "classification" if is_class else "regression"
    if wanted == "classification":
        return _settle_classes(column, codes_N, counts, numbers if is_numeric else None)
    return _settle_numbers([column], (name,))


def settle_columns(
    columns: Sequence[LabelColumn], names: Sequence[str], wanted: WantedTask
) -> Meaning:
    """Several columns of labels: of 0 and 1 they say what holds, others are numbers.

    Raises:
        DatasetError: they are neither, or not what is wanted.
    """
    if wanted == "classification":
        raise DatasetError(
            "A classification has one column of labels, not several.",
            "Name one with --label; or leave out --task.",
        )
    meaning = _settle_numbers(columns, names)
    values_NT = meaning.labels_N
    used_NT = np.delete(values_NT, list(meaning.bad), axis=0) if meaning.bad else values_NT
    is_binary_T = ((used_NT == 0) | (used_NT == 1)).all(axis=0)
    if wanted == "regression" or (wanted == "auto" and not is_binary_T.all()):
        return meaning
    if not is_binary_T.all():
        raise DatasetError(
            f"The labels in {show(names[int(is_binary_T.argmin())])} are not only 0 and 1.",
            "Give 1 where it holds and 0 elsewhere; or take them as numbers with "
            "--task regression.",
        )
    labels_NK = (values_NT == 1).astype(LABEL_DTYPES["multilabel"])
    return Meaning("multilabel", labels_NK, classes=clean_names(names), bad=meaning.bad)


def settle_tags(column: TagColumn, name: str) -> Meaning:
    """Tags of each sample, of which there may be none.

    Raises:
        DatasetError: there are none at all, or too many.
    """
    if not column.tags:
        raise DatasetError(f"There is not one label in {show(name)}.", _BY_LABEL)
    if len(column.tags) > MAX_TAGS:
        raise DatasetError(f"There are more than {MAX_TAGS} labels in {show(name)}.", _BY_LABEL)
    order = sorted(column.tags)
    return Meaning("multilabel", column.vectors_NK(order), classes=clean_names(order))


def check_skipped(count: int, example: str) -> None:
    """Refuse data of which too much is unfit to be listed.

    Raises:
        DatasetError: it is.
    """
    if count > MAX_SKIPPED:
        raise DatasetError(
            f"More than {MAX_SKIPPED:,} samples cannot be used, such as one because {example}.",
            "Mend or remove them, or name other columns with --inputs and --label.",
        )


def _number_of(text: str) -> float:
    number = parse_number(text)
    return np.inf if number is None else number


def _are_few(numbers: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> bool:
    """Whether numbers are those of classes."""
    used = counts > 0
    values, places = np.unique(numbers[used], return_inverse=True)
    if len(values) > _FEW or not (values == np.floor(values)).all():
        return False
    return bool((np.bincount(places, counts[used]) >= _MIN_SAMPLES).all())


def _settle_classes(
    column: LabelColumn,
    codes_N: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.float64] | None,
) -> Meaning:
    """Classes in the order of their numbers, if `numbers` are given, or else of their texts."""
    keys = list(column.texts)
    order: dict[str, tuple[float, str]] = {}
    for code, text in enumerate(column.texts):
        if numbers is not None and np.isfinite(numbers[code]):
            keys[code] = str(int(text)) if is_whole_text(text) else format_value(numbers[code])
        is_used = counts[code] and (numbers is None or np.isfinite(numbers[code]))
        if is_used:
            order[keys[code]] = (0.0 if numbers is None else float(numbers[code]), keys[code])
    # Whole numbers too large for a float are told apart by their digits.
    named = sorted(order, key=lambda key: (order[key][0], len(key), key))
    if numbers is None:
        named = sorted(order)
    _check_classes(named)
    places = {key: place for place, key in enumerate(named)}
    table = np.array([*(places.get(key, -1) for key in keys), -1], np.int64)
    labels_N = table[codes_N]
    bad = _explain(column, codes_N, labels_N, "is no number like the others")
    return Meaning("classification", np.maximum(labels_N, 0), clean_names(named), bad=bad)


def _settle_named(
    column: LabelColumn,
    codes_N: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    names: Sequence[str],
) -> Meaning:
    """Classes that are known by name; labels are names, or numbers from 0 on."""
    by_text = {str(place): place for place in range(len(names))}
    by_text |= {name: place for place, name in enumerate(names)}
    places = [by_text.get(text, -1) for text in column.texts]
    labels_N = np.array([*places, -1], np.int64)[codes_N]
    used = {place for place, count in zip(places, counts, strict=True) if count}
    empty = [name for place, name in enumerate(names) if place not in used]
    if empty:
        raise DatasetError(
            f"No usable sample is of class {show(empty[0])}.",
            "Take the class out of the list of classes, or add samples of it.",
        )
    _check_classes(names)
    bad = _explain(column, codes_N, labels_N, f"is not one of the {len(names)} classes")
    return Meaning("classification", np.maximum(labels_N, 0), clean_names(names), bad=bad)


def _check_classes(names: Sequence[str]) -> None:
    if len(names) == 1:
        raise DatasetError(
            f"There is only one class: {sanitize(names[0], limit=80)}.",
            f"Add samples of another class. {_BY_LABEL}",
        )
    if len(names) > MAX_CLASSES:
        raise DatasetError(f"There are more than {MAX_CLASSES} classes.", _BY_LABEL)


def _settle_numbers(columns: Sequence[LabelColumn], names: Sequence[str]) -> Meaning:
    values_NT = np.stack([column.numbers_N for column in columns], axis=1)
    for name, values_N in zip(names, values_NT.T, strict=True):
        if np.isfinite(values_N).sum() < NUMERIC_SHARE * (~np.isnan(values_N)).sum():
            raise DatasetError(
                f"The labels in {show(name)} are no numbers.",
                f"Learn one column of texts with --task classification. {_BY_LABEL}",
            )
    bad: dict[int, str] = {}
    places = np.argwhere(~np.isfinite(values_NT))
    check_skipped(len(places) // len(columns), "it has no label that is a number")
    for row, target in places.tolist():
        word = "it has no label" if np.isnan(values_NT[row, target]) else "its label is no number"
        bad.setdefault(row, f"{word} in {show(names[target])}")
    values_NT[list(bad)] = 0
    return Meaning("regression", values_NT, targets=clean_names(names), bad=bad)


def _explain(
    column: LabelColumn,
    codes_N: npt.NDArray[np.int32],
    labels_N: npt.NDArray[np.int64],
    problem: str,
) -> dict[int, str]:
    """Why samples have no class."""
    bad = {}
    check_skipped(int((labels_N < 0).sum()), "it has no label")
    for row in np.flatnonzero(labels_N < 0).tolist():
        code = codes_N[row]
        missing = code == MISSING_CODE
        bad[row] = (
            "it has no label" if missing else f"its label {show(column.texts[code])} {problem}"
        )
    return bad
