"""In which order runs are listed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.columns import COLUMNS, NEWEST_FIRST, Column, Sort, SortKey

_BY_TITLE = {column.title: column for column in COLUMNS}


def sort_records(records: Iterable[RunRecord], sort: Sort) -> tuple[RunRecord, ...]:
    """The runs by one column; those of which it is not known last, equal ones as they were."""
    key_of = _BY_TITLE[sort.title].sort_key
    if key_of is None:
        return tuple(records)
    keyed = [(key_of(record), record) for record in records]
    known = [(key, record) for key, record in keyed if _is_known(key)]
    unknown = [record for key, record in keyed if not _is_known(key)]
    known.sort(key=lambda pair: pair[0], reverse=sort.descending)  # type: ignore[arg-type, return-value]
    return (*(record for _, record in known), *unknown)


def _is_known(key: SortKey) -> bool:
    # What is not equal to itself is not a number.
    return key is not None and key == key


def sort_by(title: str, before: Sort) -> Sort:
    """Sorted by this column its own way round; the other way where it was sorted by it before."""
    if title == before.title:
        return replace(before, descending=not before.descending)
    column = _BY_TITLE[title]
    return before if column.sort_key is None else Sort(title, column.descending)


def sort_by_next(shown: Sequence[Column], before: Sort) -> Sort:
    """Sorted by the next of the columns that are shown."""
    titles = [column.title for column in shown if column.sort_key is not None]
    if not titles:
        return before
    place = titles.index(before.title) if before.title in titles else -1
    title = titles[(place + 1) % len(titles)]
    return Sort(title, _BY_TITLE[title].descending)


def choice_of(sort: Sort) -> tuple[str, bool]:
    """The order as it is remembered: a title, and whether it is not that column's own way round."""
    if sort == NEWEST_FIRST:
        return "", False
    return sort.title, sort.descending != _BY_TITLE[sort.title].descending


def sort_as_chosen(title: str, reverse: bool) -> Sort:
    """The order that was remembered; newest first where there is no such column any more."""
    column = _BY_TITLE.get(title)
    if column is None or column.sort_key is None:
        return NEWEST_FIRST
    return Sort(title, column.descending != reverse)
