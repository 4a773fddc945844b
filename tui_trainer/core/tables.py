"""Columns of numbers that only grow, in bounded memory, and pictures of them that never change.

Rows are kept one by one until there are too many. From then on the older ones are merged into
bins of equal size, a power of two, that keep the least, the greatest and the mean of each column:
what is drawn from them loses no extreme. Bins stand at fixed places, so they do not shift while
rows are appended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.axis import XKind

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

AXES = ("step", "elapsed_s", "t")


@dataclass(frozen=True)
class Ranges:
    """Of each row of a column, the least and greatest finite value, NaN where there is none.

    `non_finite` says where a NaN or an infinity was among the rows that were merged.
    """

    low: FloatArray
    high: FloatArray
    non_finite: BoolArray


@dataclass(frozen=True)
class Merged:
    """What is kept of a column whose rows were merged: `known` counts the finite values in each."""

    low: FloatArray
    high: FloatArray
    known: FloatArray


@dataclass(frozen=True)
class Table:
    """Aligned columns: `step`, `elapsed_s` and `t` (none ever falling) and one per metric.

    `t` is Unix time. Where rows were merged, `rows` says how many into each, axes hold those of
    the last of them and metrics the mean; `generation` grows whenever rows that were shown before
    are gone or merged.
    """

    columns: Mapping[str, FloatArray]
    generation: int = 0
    rows: FloatArray | None = None
    merged: Mapping[str, Merged] | None = None
    steps_per_epoch: int = 0

    def __len__(self) -> int:
        return len(self.columns["step"])

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    @property
    def step(self) -> FloatArray:
        """Completed optimizer steps at each row."""
        return self.columns["step"]

    @property
    def elapsed_s(self) -> FloatArray:
        """Seconds of training at each row."""
        return self.columns["elapsed_s"]

    def x(self, kind: XKind) -> FloatArray:
        """Each row's place on an x axis."""
        if kind == "step":
            return self.columns["step"]
        if kind == "epoch":
            return self.columns["step"] / max(1, self.steps_per_epoch)
        return self.columns["elapsed_s" if kind == "time" else "t"]

    def ranges(self, name: str) -> Ranges | None:
        """What the rows of a column range over; None where no rows were merged."""
        if self.merged is None or self.rows is None:
            return None
        merged = self.merged[name]
        return Ranges(merged.low, merged.high, merged.known < self.rows)

    def between(self, first: float, last: float) -> Table:
        """The rows that end at a step from `first` to `last`."""
        start, end = np.searchsorted(self.step, [first, last + 1])
        return slice_rows(self, slice(int(start), int(end)))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The columns that are no axis."""
        return tuple(name for name in self.columns if name not in AXES)


def merge_rows(table: Table, firsts: NDArray[np.intp]) -> Table:
    """The table with its rows merged into groups, which begin at the indices `firsts`."""
    lasts = np.append(firsts[1:], len(table)) - 1
    is_alone = lasts == firsts
    counts = table.rows if table.rows is not None else np.ones(len(table))
    columns: dict[str, FloatArray] = {name: table[name][lasts] for name in AXES}
    merged = {}
    for name in table.metrics:
        values = table[name]
        before = table.merged[name] if table.merged is not None else unmerged(values)
        known = np.add.reduceat(before.known, firsts)
        with np.errstate(invalid="ignore", over="ignore"):
            sums = np.add.reduceat(np.where(before.known > 0, values, 0.0) * before.known, firsts)
            # A row alone keeps its value, which may be an infinity.
            columns[name] = np.where(is_alone, values[firsts], sums / known)
        low, high = np.fmin.reduceat(before.low, firsts), np.fmax.reduceat(before.high, firsts)
        merged[name] = Merged(low, high, known)
    return Table(
        columns,
        table.generation,
        np.add.reduceat(counts, firsts),
        merged,
        table.steps_per_epoch,
    )


def unmerged(values: FloatArray) -> Merged:
    """What would be kept of a column if each of its rows were merged with no other."""
    finite = np.isfinite(values)
    seen = np.where(finite, values, np.nan)
    return Merged(seen, seen, finite.astype(np.float64))


def thin_out(table: Table, most: int) -> Table:
    """The table in about `most` rows at most, each a range of as many as need be."""
    if len(table) <= most:
        return table
    every = -(-len(table) // most)
    return merge_rows(table, np.arange(0, len(table), every))


def map_merged(merged: Merged, change: Callable[[FloatArray], FloatArray]) -> Merged:
    """The same after `change` of each of its columns."""
    return Merged(change(merged.low), change(merged.high), change(merged.known))


def slice_rows(table: Table, part: slice) -> Table:
    """Some rows of a table."""
    merged = None
    if table.merged is not None:
        merged = {
            name: map_merged(column, lambda values: values[part])
            for name, column in table.merged.items()
        }
    return Table(
        {name: column[part] for name, column in table.columns.items()},
        table.generation,
        table.rows[part] if table.rows is not None else None,
        merged,
        table.steps_per_epoch,
    )


def join_rows(head: Table, tail: Table) -> Table:
    """Rows of which some are merged, followed by rows that are not."""
    assert head.rows is not None and head.merged is not None
    merged = {}
    for name, first in head.merged.items():
        last = tail.merged[name] if tail.merged is not None else unmerged(tail[name])
        merged[name] = Merged(
            np.concatenate((first.low, last.low)),
            np.concatenate((first.high, last.high)),
            np.concatenate((first.known, last.known)),
        )
    columns = {name: np.concatenate((head[name], tail[name])) for name in head.columns}
    rows = tail.rows if tail.rows is not None else np.ones(len(tail))
    return Table(columns, 0, np.concatenate((head.rows, rows)), merged)


def splice(table: Table, detail: Table) -> Table:
    """The table with the rows of `detail` in place of its own over the same steps.

    Rows of `table` that reach over an end of `detail` give way to it, so that steps next to it
    may be missing; `detail` has to reach some steps further than what is looked at.
    """
    if not len(detail) or not len(table):
        return table
    rows = detail.rows
    first = detail.step[0] - (rows[0] if rows is not None else 1.0)
    before = int(np.searchsorted(table.step, first, "right"))
    counts = table.rows if table.rows is not None else np.ones(len(table))
    after = int(np.searchsorted(table.step - counts, detail.step[-1], "left"))
    head = _with_ranges(slice_rows(table, slice(0, before)))
    spliced = join_rows(join_rows(head, detail), slice_rows(table, slice(max(before, after), None)))
    generation = hash((table.generation, detail.generation, float(detail.step[0]), len(detail)))
    return replace(spliced, generation=generation, steps_per_epoch=table.steps_per_epoch)


def _with_ranges(table: Table) -> Table:
    if table.merged is not None and table.rows is not None:
        return table
    merged = {name: unmerged(table[name]) for name in table.metrics}
    return replace(table, rows=np.ones(len(table)), merged=merged)
