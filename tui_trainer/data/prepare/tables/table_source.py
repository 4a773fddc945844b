"""Rows of tables as features: looked through, then read chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import (
    Block,
    Facts,
    ReadTask,
    ReadySource,
    stamp_files,
)
from tui_trainer.data.prepare.tables.chunks import Chunk, Table
from tui_trainer.data.prepare.tables.columns import (
    MAX_CATEGORIES,
    NAME_LENGTH,
    CategoryColumn,
    ColumnProfile,
    NumberColumn,
    clean_names,
    show,
)
from tui_trainer.data.prepare.tables.roles import MAX_COLUMNS, Roles
from tui_trainer.data.prepare.tables.survey import ChunkPlace, find_medians, survey_tables
from tui_trainer.errors import DatasetError

_SHOWN_COLUMNS = 3

FeatureColumns = Mapping[int, NumberColumn | CategoryColumn]
"""What makes features, by the place of the column."""


@dataclass(frozen=True)
class _Stretch:
    """A chunk that a task reads; `kept` are those of its rows that are used, as packed bits."""

    chunk: ChunkPlace
    kept: bytes
    first: int


def open_features(
    tables: Mapping[str, Table], roles: Roles, title: str, preparation: PreparationConfig
) -> ReadySource:
    """The rows of tables, by split, as features and labels.

    Raises:
        DatasetError: a column is no feature, or nothing can be learnt.
    """
    files = [table.path for table in tables.values()]
    stamps = stamp_files(*files)
    survey = survey_tables(tables, roles, preparation)
    profiles = {place: one for place, one in survey.profiles.items() if not one.is_empty}
    if not profiles:
        raise DatasetError(
            "Every value of every input is missing.", "Name other columns with --inputs."
        )
    gaps = [place for place, one in profiles.items() if one.is_numeric and one.has_gaps]
    medians = find_medians(tables, gaps, len(survey.listed.kept_R))
    columns = {place: _make_column(one, medians.get(place)) for place, one in profiles.items()}
    meaning = survey.listed.meaning
    features = _name_features(columns)
    return ReadySource(
        facts=Facts(
            kind="table",
            task=meaning.task,
            shape=(len(features),),
            title=title,
            origin=_describe(files, roles.note, survey.profiles, medians),
            classes=meaning.classes,
            targets=meaning.targets,
            features=features,
        ),
        labels_N=survey.listed.labels_N,
        read=partial(
            _make_tasks, tuple(tables.values()), columns, survey.chunks, survey.listed.kept_R
        ),
        splits_N=survey.listed.splits_N,
        skipped=survey.listed.skipped,
        stamps=stamps,
    )


def _name_features(columns: FeatureColumns) -> tuple[str, ...]:
    features = [feature for column in columns.values() for feature in column.features]
    if len(features) > MAX_COLUMNS:
        raise DatasetError(
            f"The columns make {format_count(len(features))} features, more than {MAX_COLUMNS}.",
            "Name the columns to learn from with --inputs.",
        )
    return clean_names(features)


def _describe(
    files: Sequence[Path],
    note: str,
    profiles: Mapping[int, ColumnProfile],
    medians: Mapping[int, float],
) -> str:
    """Where the rows come from, and what was chosen or filled in, a clause for people."""
    filled = [f"{profiles[place].name} {median:g}" for place, median in medians.items()]
    empty = [profile.name for profile in profiles.values() if profile.is_empty]
    told = [
        " and ".join(sanitize(file.name, limit=NAME_LENGTH) for file in files),
        note,
        _tell("missing numbers are the median", filled),
        _tell("without columns that are empty", empty),
    ]
    return "; ".join(filter(None, told))


def _make_column(profile: ColumnProfile, median: float | None) -> NumberColumn | CategoryColumn:
    if profile.is_numeric:
        return NumberColumn(profile.name, median)
    if len(profile.texts) > MAX_CATEGORIES:
        raise DatasetError(
            f"Column {show(profile.name)} holds text, such as {show(profile.odd)}, with more than "
            f"{MAX_CATEGORIES} different values.",
            "Leave it out by naming the columns to learn from with --inputs.",
        )
    return CategoryColumn(profile.name, tuple(sorted(profile.texts)), profile.has_gaps)


def _tell(words: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
    return f"{words}: {', '.join(names[:_SHOWN_COLUMNS])}{more}"


def _make_tasks(
    tables: Sequence[Table],
    columns: FeatureColumns,
    chunks: Sequence[ChunkPlace],
    kept_R: npt.NDArray[np.bool_],
) -> Iterator[ReadTask]:
    numeric = frozenset(p for p, column in columns.items() if isinstance(column, NumberColumn))
    for table in tables:
        table.select(tuple(sorted(columns)), numeric)
    row = number = 0
    for chunk in chunks:
        kept_B = kept_R[row : row + chunk.rows]
        row += chunk.rows
        if not kept_B.any():
            continue
        stretch = _Stretch(chunk, np.packbits(kept_B).tobytes(), number)
        number += int(kept_B.sum())
        yield partial(_read_stretch, tables[chunk.table], columns, stretch)


def _read_stretch(table: Table, columns: FeatureColumns, stretch: _Stretch) -> Block:
    chunk = table.read(stretch.chunk.place)
    count = stretch.chunk.rows
    bits = np.unpackbits(np.frombuffer(stretch.kept, np.uint8), count=count)
    kept_B = bits.astype(np.bool_)
    changed = DatasetError(f"{table.path} was changed while it was read.", "Prepare it again.")
    if chunk is None or len(chunk.rows) != count:
        raise changed
    inputs_BF, bad_B = encode_chunk(chunk, columns)
    if (bad_B & kept_B).any():
        raise changed
    numbers_B = np.arange(stretch.first, stretch.first + int(kept_B.sum()), dtype=np.int64)
    return Block(numbers_B, inputs_BF[kept_B])


def encode_chunk(
    chunk: Chunk, columns: FeatureColumns
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The features of a chunk's rows, B×F, and which rows hold what cannot be used."""
    width = sum(len(column.features) for column in columns.values())
    inputs_BF = np.empty((len(chunk.rows), width), np.float32)
    bad_B = np.zeros(len(chunk.rows), np.bool_)
    start = 0
    for place, column in columns.items():
        end = start + len(column.features)
        bad_B |= column.encode(chunk.columns[place], inputs_BF[:, start:end])
        start = end
    return inputs_BF, bad_B
