"""Tables in files, read some rows at a time: what CSV and Parquet have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tui_trainer.data.prepare.tables.columns import Column

MAX_ROWS = 4096
"""Rows of a chunk at most."""
MAX_CELLS = 1 << 18
"""Values of a chunk at most: as Python's objects they take some 60 bytes each."""


@dataclass(frozen=True)
class Place:
    """Where a chunk begins.

    Attributes:
        offset: A place in the file, as its format counts.
        row: The row that begins there, counted from 1 as a spreadsheet does.
    """

    offset: int
    row: int


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Attributes:
        end: Where the next chunk begins.
        rows: The numbers of the rows, ascending.
        columns: Those asked for, by their place in the table, a value for each row.
        skipped: Rows between them that have no columns, with the reason.
    """

    end: Place
    rows: tuple[int, ...]
    columns: Mapping[int, Column]
    skipped: tuple[tuple[int, str], ...] = ()


class Table(Protocol):
    """A table in a file, which can be sent to another process.

    Attributes:
        path: The file.
        names: The columns; `1`, `2`, … where there is no header.
        has_header: Whether the names stand in the file.
        start: Where the first chunk begins.
    """

    @property
    def path(self) -> Path: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def has_header(self) -> bool: ...
    @property
    def start(self) -> Place: ...

    def select(self, columns: tuple[int, ...], numeric: frozenset[int] = frozenset()) -> None:
        """Have only these columns read from now on; `numeric` ones hold numbers, it seems."""

    def read(self, place: Place) -> Chunk | None:
        """The chunk that begins there; None at the end."""


def iterate_chunks(table: Table) -> Iterator[tuple[Place, Chunk]]:
    """All chunks of a table and where each begins."""
    place = table.start
    while (chunk := table.read(place)) is not None:
        yield place, chunk
        place = chunk.end


def rows_per_chunk(width: int) -> int:
    """Rows that are read together from a table of so many columns."""
    return max(1, min(MAX_ROWS, MAX_CELLS // max(1, width)))
