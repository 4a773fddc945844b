"""A table whose rows are appended, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np

from tui_trainer.core.tables import (
    AXES,
    FloatArray,
    Merged,
    Table,
    join_rows,
    map_merged,
    merge_rows,
    slice_rows,
    thin_out,
    unmerged,
)

CAPACITY = 1 << 15
"""Rows kept at most. A bin is then less than a twentieth of a pixel of the widest terminal."""
_FIRST_CAPACITY = 64


class GrowingTable:
    """Rows that are appended, the older ones merged when there are more than `capacity`."""

    def __init__(self, names: Sequence[str], capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._buffers = {name: np.empty(_FIRST_CAPACITY) for name in (*AXES, *names)}
        self._rows: FloatArray | None = None
        self._merged: dict[str, Merged] | None = None
        self._rows_per_bin = 1
        self._size = 0
        self._generation = 0

    def __len__(self) -> int:
        return self._size

    @property
    def metrics(self) -> Set[str]:
        """The columns that are no axis."""
        return self._buffers.keys() - set(AXES)

    def last(self, name: str) -> float:
        """The newest value of a column; 0 where there is none."""
        return float(self._buffers[name][self._size - 1]) if self._size else 0.0

    def extend(self, rows: Mapping[str, FloatArray]) -> None:
        """Append rows; columns that are not given are NaN."""
        count, piece = len(rows["step"]), self._capacity // 8
        for start in range(0, count, piece):
            end = min(count, start + piece)
            self._extend({name: column[start:end] for name, column in rows.items()}, end - start)

    def _extend(self, rows: Mapping[str, FloatArray], count: int) -> None:
        if self._size + count > self._capacity:
            self._compact()
        self._reserve(self._size + count)
        span = slice(self._size, self._size + count)
        for name, buffer in self._buffers.items():
            buffer[span] = rows.get(name, np.nan)
        if self._rows is not None and self._merged is not None:
            self._rows[span] = 1.0
            for name, merged in self._merged.items():
                alone = unmerged(self._buffers[name][span])
                merged.low[span], merged.high[span] = alone.low, alone.high
                merged.known[span] = alone.known
        self._size += count

    def append(self, step: float, elapsed_s: float, t: float, values: Mapping[str, float]) -> None:
        """Append one row; a column met for the first time is NaN before it."""
        for name in values.keys() - self._buffers.keys():
            size = len(self._buffers["step"])
            self._buffers[name] = np.full(size, np.nan)
            if self._merged is not None:
                nothing = np.full(size, np.nan)
                self._merged[name] = Merged(nothing, nothing.copy(), np.zeros(size))
        row = {"step": step, "elapsed_s": elapsed_s, "t": t, **values}
        self.extend({name: np.array([value]) for name, value in row.items()})

    def cut(self, after_step: float, keep: int = CAPACITY) -> Table:
        """Take the rows after `after_step` off and return them, in about `keep` rows at most."""
        whole = self.view()
        start = int(np.searchsorted(whole.step, after_step, "right"))
        gone = thin_out(slice_rows(whole, slice(start, None)), keep)
        if start < self._size:
            self._store(slice_rows(whole, slice(0, start)))
            self._generation += 1
        return gone

    def view(self, steps_per_epoch: int = 0) -> Table:
        """The rows so far."""
        columns = {name: buffer[: self._size] for name, buffer in self._buffers.items()}
        whole = Table(columns, self._generation, self._rows, self._merged, steps_per_epoch)
        for column in columns.values():
            column.flags.writeable = False
        return slice_rows(whole, slice(0, self._size)) if self._rows is not None else whole

    def _compact(self) -> None:
        """Merge all but the newest quarter, into as small bins as leave room for an eighth."""
        whole, newest = self.view(), self._capacity // 4
        old = slice_rows(whole, slice(0, self._size - newest))
        counts = old.rows if old.rows is not None else np.ones(len(old))
        starts = np.cumsum(counts) - counts
        most = self._capacity - newest - self._capacity // 8
        while True:
            firsts = np.flatnonzero(np.diff(starts // self._rows_per_bin, prepend=-1.0))
            if len(firsts) <= most:
                break
            self._rows_per_bin *= 2
        tail = slice_rows(whole, slice(self._size - newest, None))
        self._store(join_rows(merge_rows(old, firsts), tail))
        self._generation += 1

    def _store(self, table: Table) -> None:
        """Hold these rows, in fresh memory: views taken before keep theirs."""
        self._size = len(table)
        capacity = self._fitting(self._size)
        self._buffers = {name: _grown(column, capacity) for name, column in table.columns.items()}
        self._rows = None if table.rows is None else _grown(table.rows, capacity)
        self._merged = None
        if table.merged is not None:
            self._merged = {
                name: map_merged(merged, lambda column: _grown(column, capacity))
                for name, merged in table.merged.items()
            }

    def _fitting(self, size: int) -> int:
        capacity = _FIRST_CAPACITY
        while capacity < size:
            capacity *= 2
        return capacity

    def _reserve(self, size: int) -> None:
        if size > len(self._buffers["step"]):
            capacity, used = self._fitting(size), slice(0, self._size)
            self._buffers = {
                name: _grown(buffer[used], capacity) for name, buffer in self._buffers.items()
            }
            if self._rows is not None and self._merged is not None:
                self._rows = _grown(self._rows[used], capacity)
                self._merged = {
                    name: map_merged(merged, lambda column: _grown(column[used], capacity))
                    for name, merged in self._merged.items()
                }


def _grown(column: FloatArray, capacity: int) -> FloatArray:
    grown = np.empty(capacity)
    grown[: len(column)] = column
    return grown
