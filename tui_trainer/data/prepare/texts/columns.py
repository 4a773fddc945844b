"""Which columns or keys hold the texts, and which their labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.data.prepare.tables.csv_dialect import read_fields
from tui_trainer.errors import DatasetError

TEXT_NAMES = (
    *("text", "texts", "sentence", "content", "review", "comment", "comment_text", "body"),
    *("document", "message", "tweet", "question", "utterance", "description", "title"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "intent", "topic"),
    *("tag", "tags", "rating", "score", "y"),
)
KNOWN_NAMES = frozenset({*TEXT_NAMES, *LABEL_NAMES})

_SHOWN_NAMES = 12


@dataclass(frozen=True)
class TextColumns:
    """Places of columns: of the texts, which are joined where there are several, and the labels."""

    texts: tuple[int, ...]
    labels: tuple[int, ...]


def choose_columns(path: Path, names: Sequence[str], preparation: PreparationConfig) -> TextColumns:
    """The columns that are asked for, else those called like texts and labels, first come first.

    Of two columns the one left over is what is missing.

    Raises:
        DatasetError: they are not there, or twice.
    """
    texts = _find_asked(path, names, preparation.inputs, "--inputs")
    labels = _find_asked(path, names, preparation.label, "--label")
    lower = [name.lower() for name in names]
    texts = texts or _find_known(lower, TEXT_NAMES, but=labels)
    labels = labels or _find_known(lower, LABEL_NAMES, but=texts)
    if len(names) == 2:
        texts = texts or tuple({0, 1} - set(labels))[:1] if labels else texts
        labels = labels or tuple({0, 1} - set(texts))[:1] if texts else labels
    if not texts:
        raise DatasetError(_tell_missing(path, names, "texts"), "Name it with --inputs.")
    if not labels:
        raise DatasetError(_tell_missing(path, names, "labels"), "Name it with --label.")
    chosen = [names[place] for place in (*texts, *labels)]
    for name in chosen:
        if names.count(name) > 1 or chosen.count(name) > 1:
            raise DatasetError(
                f"{path}: the column {show(name)} is there twice, or stands for two things.",
                "Give each column a name of its own.",
            )
    return TextColumns(texts, labels)


def _find_asked(path: Path, names: Sequence[str], asked: str, option: str) -> tuple[int, ...]:
    if not asked.strip():
        return ()
    try:
        fields = read_fields(asked)
    except csv.Error as error:
        raise DatasetError(
            f"{option} is no list of names: {error}.", "Check its quotes."
        ) from error
    lower = [name.lower() for name in names]
    places = []
    for field in fields:
        if field in names:
            places.append(list(names).index(field))
        elif field.lower() in lower:
            places.append(lower.index(field.lower()))
        else:
            raise DatasetError(
                f"{path} has no column {show(field)}; it has {_list_names(names)}.",
                f"Name one of these with {option}.",
            )
    return tuple(places)


def _find_known(
    lower: Sequence[str], known: Sequence[str], but: tuple[int, ...]
) -> tuple[int, ...]:
    for name in known:
        if name in lower and lower.index(name) not in but:
            return (lower.index(name),)
    return ()


def _tell_missing(path: Path, names: Sequence[str], what: str) -> str:
    return f"{path} has no column that is called like {what}; it has {_list_names(names)}."


def _list_names(names: Sequence[str]) -> str:
    shown = ", ".join(show(name) for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
