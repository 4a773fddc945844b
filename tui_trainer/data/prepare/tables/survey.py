"""A first look through the rows of tables: what the columns hold, and which rows can be used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.tables.chunks import Chunk, Place, Table, iterate_chunks
from tui_trainer.data.prepare.tables.columns import (
    NAME_LENGTH,
    ColumnProfile,
    explain_number,
    parse_numbers,
    texts_of,
    to_features,
)
from tui_trainer.data.prepare.tables.roles import Roles
from tui_trainer.data.prepare.tables.row_listing import Listed, RowListing
from tui_trainer.errors import DatasetError

MAX_ROWS = 100_000_000
"""Rows of all tables together: labels of all are in memory at once."""
_MEDIAN_VALUES = 1 << 24


@dataclass(frozen=True)
class ChunkPlace:
    """Where a chunk lies, and how many rows it has."""

    table: int
    place: Place
    rows: int


@dataclass(frozen=True)
class Survey:
    """What was found in tables.

    Attributes:
        profiles: What the input columns hold, by place.
        chunks: All chunks of all tables, in order.
    """

    profiles: Mapping[int, ColumnProfile]
    listed: Listed
    chunks: tuple[ChunkPlace, ...]


def survey_tables(
    tables: Mapping[str, Table], roles: Roles, preparation: PreparationConfig
) -> Survey:
    """Look through all rows, as often as it takes to know which columns are numbers.

    That is once where the first rows are like the others.

    Raises:
        DatasetError: nothing can be learnt from them.
    """
    numeric = _guess_numeric(tables, roles)
    while True:
        listing, profiles, chunks = _look_through(tables, roles, numeric, preparation)
        found = frozenset(place for place, profile in profiles.items() if profile.is_numeric)
        if found == numeric or not any(profile.rows for profile in profiles.values()):
            return Survey(profiles, listing.finish(), chunks)
        # What is a number does not depend on how it is read: the second look is the last.
        numeric = found


def find_medians(
    tables: Mapping[str, Table], columns: Sequence[int], rows: int
) -> dict[int, float]:
    """The median of each of these columns of numbers, of `rows` rows in all.

    It is that of every value, or where these are too many for the memory, of every so many'th row.
    """
    if not columns:
        return {}
    step = math.ceil(rows * len(columns) / _MEDIAN_VALUES)
    values: dict[int, list[np.ndarray]] = {place: [] for place in columns}
    row = 0
    for table in tables.values():
        table.select(tuple(columns), frozenset(columns))
        for _, chunk in iterate_chunks(table):
            first = -row % step
            row += len(chunk.rows)
            for place in columns:
                features_B = to_features(parse_numbers(chunk.columns[place]))[first::step]
                values[place].append(features_B[np.isfinite(features_B)])
    return {place: float(np.median(np.concatenate(pieces))) for place, pieces in values.items()}


def row_prefix(table: Table, tables: Mapping[str, Table]) -> str:
    """What stands before the number of a row, where people are told of it."""
    return f"{sanitize(table.path.name, limit=80)} row " if len(tables) > 1 else "row "


def _make_profiles(tables: Mapping[str, Table], roles: Roles) -> dict[int, ColumnProfile]:
    first = next(iter(tables.values()))
    word = "" if first.has_header else "column "
    return {
        place: ColumnProfile(sanitize(f"{word}{first.names[place]}", limit=NAME_LENGTH))
        for place in roles.inputs
    }


def _guess_numeric(tables: Mapping[str, Table], roles: Roles) -> frozenset[int]:
    """Columns that are numbers in the first rows."""
    table = next(iter(tables.values()))
    table.select(roles.inputs)
    chunk = table.read(table.start)
    profiles = _make_profiles(tables, roles)
    if chunk is not None:
        _add_all(profiles, chunk)
    return frozenset(place for place, profile in profiles.items() if profile.is_numeric)


def _add_all(profiles: Mapping[int, ColumnProfile], chunk: Chunk) -> None:
    for place, profile in profiles.items():
        profile.add(chunk.columns[place], parse_numbers(chunk.columns[place]))


def _look_through(
    tables: Mapping[str, Table],
    roles: Roles,
    numeric: frozenset[int],
    preparation: PreparationConfig,
) -> tuple[RowListing, dict[int, ColumnProfile], tuple[ChunkPlace, ...]]:
    profiles = _make_profiles(tables, roles)
    names = next(iter(tables.values())).names
    listing = RowListing(roles, names, preparation.task)
    chunks: list[ChunkPlace] = []
    rows = 0
    for number, (split, table) in enumerate(tables.items()):
        table.select(roles.used, numeric)
        listing.begin(row_prefix(table, tables))
        for place, chunk in iterate_chunks(table):
            listing.add(chunk, split, _look_at(profiles, chunk, numeric))
            chunks.append(ChunkPlace(number, place, len(chunk.rows)))
            rows += len(chunk.rows)
            if rows > MAX_ROWS:
                raise DatasetError(
                    f"{table.path} has more than {format_count(MAX_ROWS)} rows.", "Take a part."
                )
    return listing, profiles, tuple(chunks)


def _look_at(
    profiles: Mapping[int, ColumnProfile], chunk: Chunk, numeric: frozenset[int]
) -> dict[int, str]:
    """Note what a chunk's columns hold; why some of its rows cannot be used comes back."""
    bad: dict[int, str] = {}
    for place, profile in profiles.items():
        column = chunk.columns[place]
        values = parse_numbers(column)
        profile.add(column, values)
        if place not in numeric:
            continue
        bad_B = np.isinf(to_features(values))
        if bad_B.any():
            texts = texts_of(column)
            for row in np.flatnonzero(bad_B).tolist():
                bad.setdefault(row, explain_number(profile.name, texts[row]))
    return bad
