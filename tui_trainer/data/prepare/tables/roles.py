"""Which columns of a table are learnt from, and which hold the labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.suggest import hint_for
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.data.prepare.tables.csv_dialect import read_fields
from tui_trainer.errors import DatasetError

LABEL_NAMES = ("label", "labels", "class", "target", "y")
IMAGE_NAMES = ("image", "images", "file", "path", "filename", "file_name")
SPLIT_NAME = "split"
KNOWN_NAMES = frozenset({*LABEL_NAMES, *IMAGE_NAMES, SPLIT_NAME, "id", "text"})
"""Names, in lower case, that only a header has."""

MAX_COLUMNS = 1 << 16


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are for, by their places.

    Attributes:
        split: The column that tells the split of each row, if there is one.
        is_chosen: Whether a person named the inputs.
        note: What was chosen without being told, a clause for people.
    """

    inputs: tuple[int, ...]
    labels: tuple[int, ...]
    split: int | None
    is_chosen: bool
    note: str

    @property
    def used(self) -> tuple[int, ...]:
        """All columns that are read."""
        split = () if self.split is None else (self.split,)
        return tuple(sorted({*self.inputs, *self.labels, *split}))


def choose_roles(
    names: Sequence[str], has_header: bool, preparation: PreparationConfig, where: str
) -> Roles:
    """Columns by the names that a person gave; else the label is one of `LABEL_NAMES`, or the last.

    Raises:
        DatasetError: a column is not there, there twice, or used twice.
    """
    _check_names(names, has_header, where)
    labels = _find_columns(preparation.label, names, has_header, where, "--label")
    inputs = _find_columns(preparation.inputs, names, has_header, where, "--inputs")
    lowered = [name.lower() for name in names]
    split = lowered.index(SPLIT_NAME) if has_header and SPLIT_NAME in lowered else None
    if split in (*labels, *inputs):
        split = None
    note = ""
    if not labels:
        labels = (_guess_label(lowered, has_header, {*inputs, split}),)
        note = f"labels from column {show(names[labels[0]])}"
    if not inputs:
        others = (c for c in range(len(names)) if c not in labels and c != split)
        inputs = tuple(column for column in others if names[column])
        if not all(names):
            note += ", without the unnamed column of row numbers"
    if both := set(inputs) & set(labels):
        raise DatasetError(
            f"Column {show(names[both.pop()])} of {where} is both an input and the label.",
            "Take it out of --inputs or --label.",
        )
    if not inputs:
        raise DatasetError(
            f"{where} has no column to learn from beside its labels.", "Name the right file."
        )
    return Roles(inputs, labels, split, bool(preparation.inputs), note.removeprefix(", "))


def _check_names(names: Sequence[str], has_header: bool, where: str) -> None:
    if len(names) > MAX_COLUMNS:
        raise DatasetError(
            f"{where} has {len(names)} columns, more than {MAX_COLUMNS}.", "Leave some out."
        )
    if not has_header:
        return
    seen: set[str] = set()
    for place, name in enumerate(names):
        if not name and place:
            raise DatasetError(
                f"Column {place + 1} of {where} has no name.", "Give it one in the first row."
            )
        if name in seen:
            raise DatasetError(
                f"Two columns of {where} are called {show(name)}.",
                "Give each column a name of its own.",
            )
        seen.add(name)


def _find_columns(
    text: str, names: Sequence[str], has_header: bool, where: str, option: str
) -> tuple[int, ...]:
    try:
        wanted = [name.strip() for name in read_fields(text) if name.strip()]
    except csv.Error as error:
        raise DatasetError(f"{option} is no list of names: {error}.", "Quote names.") from error
    places = {name: place for place, name in enumerate(names)}
    found = tuple(places.get(name, -1) for name in wanted)
    for name, place in zip(wanted, found, strict=True):
        if place < 0:
            hint = hint_for(name, [sanitize(other, limit=80) for other in names[:100]])
            if not has_header:
                hint = f"There is no header: columns go by their number, 1 to {len(names)}."
            raise DatasetError(f"{where} has no column {show(name)}.", hint)
    if len(set(found)) != len(found):
        raise DatasetError(f"{option} names a column twice.", "Name each once.")
    return found


def _guess_label(lowered: Sequence[str], has_header: bool, taken: set[int | None]) -> int:
    free = [place for place in range(len(lowered)) if place not in taken and lowered[place]]
    if has_header:
        for name in LABEL_NAMES:
            if name in lowered and lowered.index(name) in free:
                return lowered.index(name)
    if not free:
        raise DatasetError("There is no column left for the labels.", "Name it with --label.")
    return free[-1]
