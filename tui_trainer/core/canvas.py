"""Characters on a grid, each with a role, and the lines of text that they make."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """Neighbouring characters of one role."""

    text: str
    role: str


Row = tuple[Span, ...]


class Canvas:
    """Characters and the index of the role of each; -1 where nothing is drawn."""

    def __init__(self, width: int, height: int) -> None:
        self.text = np.full((height, width), " ", "<U1")
        self.owner = np.full((height, width), -1, np.int16)
        self._roles: list[str] = []

    def role(self, name: str) -> int:
        """The index of a role."""
        if name not in self._roles:
            self._roles.append(name)
        return self._roles.index(name)

    def write(self, row: int, column: int, text: str, role: str) -> None:
        """Write on a line from a column on, as far as there is room."""
        end = min(column + len(text), self.text.shape[1])
        if end > column:
            self.text[row, column:end] = list(text[: end - column])
            self.owner[row, column:end] = self.role(role)

    def is_free(self, row: int, column: int, width: int) -> bool:
        """Whether nothing was drawn there, and there is such a place."""
        end = column + width
        return (
            column >= 0
            and end <= self.text.shape[1]
            and bool((self.owner[row, column:end] < 0).all())
        )

    def set_in(self, other: Canvas, row: int, column: int) -> None:
        """Lay another canvas, which is no larger, over this one from a place on."""
        height, width = other.text.shape
        # The last entry is what the index -1 finds.
        roles = np.array([*map(self.role, other._roles), -1], np.int16)
        self.text[row : row + height, column : column + width] = other.text
        self.owner[row : row + height, column : column + width] = roles[other.owner]

    def rows(self) -> tuple[Row, ...]:
        """The lines."""
        begins = np.ones(self.owner.shape, np.bool_)
        np.not_equal(self.owner[:, 1:], self.owner[:, :-1], out=begins[:, 1:])
        places = np.flatnonzero(begins)
        # The last entry is what the index -1 finds.
        names = [*self._roles, ""]
        roles = [names[owner] for owner in self.owner.ravel()[places].tolist()]
        # No span reaches over the end of a line, so all lines are cut as one text.
        whole = "".join(self.text.ravel().tolist())
        cuts = itertools.pairwise([*places.tolist(), len(whole)])
        spans = (
            Span(whole[start:end], role) for (start, end), role in zip(cuts, roles, strict=True)
        )
        return tuple(tuple(itertools.islice(spans, count)) for count in begins.sum(1).tolist())


def one_cell_each(label: str) -> str:
    """The label in characters that every terminal draws one cell wide."""
    return "".join(char if char.isascii() or char in "→×–" else "?" for char in label)
