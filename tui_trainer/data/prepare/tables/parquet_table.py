"""Parquet files as tables, read by row groups; needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.tables.chunks import Chunk, Place, rows_per_chunk
from tui_trainer.data.prepare.tables.columns import Column, show
from tui_trainer.data.prepare.tables.plain_stream import FREE_BYTES, Handle, open_stream
from tui_trainer.errors import DatasetError

# Above it not every whole number is one that float64 has.
_EXACT = 1 << 53


class ParquetTable(Handle):
    """A table in a Parquet file; places are row groups."""

    def __init__(self, path: Path) -> None:
        """Read what the file says of itself.

        Raises:
            DatasetError: pyarrow is missing, or the file is damaged or not fit to be read by parts.
        """
        self.path = path
        self.has_header = True
        self.start = Place(0, 1)
        file = _open_file(path)
        with file, _errors_of(path):
            metadata = file.metadata
            self._first_rows = _first_rows(path, metadata)
            schema = file.schema_arrow
            self.names = tuple(str(name) for name in schema.names)
            self._readers = tuple(_column_reader(kind) for kind in schema.types)
            self._kinds = tuple(sanitize(str(kind), limit=80) for kind in schema.types)
        self._columns: tuple[int, ...] = ()

    def select(self, columns: tuple[int, ...], numeric: frozenset[int] = frozenset()) -> None:
        """Have only these columns read from now on; of what type they are, the file says.

        Raises:
            DatasetError: one holds no plain values.
        """
        for column in columns:
            if self._readers[column] is None:
                raise DatasetError(
                    f"Column {show(self.names[column])} of {self.path} holds values of type "
                    f"{self._kinds[column]}, which are no features.",
                    "Name the columns to learn from with --inputs.",
                )
        self._columns = columns
        self.close()

    def read(self, place: Place) -> Chunk | None:
        """The chunk that begins there; None at the end.

        Raises:
            DatasetError: the file is damaged.
        """
        with _errors_of(self.path):
            batches: _Batches | None = self._opened
            if batches is None or batches.place != place:
                self.close()
                names = [self.names[column] for column in self._columns]
                step = rows_per_chunk(len(self.names))
                batches = self._opened = _Batches(self.path, names, place, self._first_rows, step)
            batch = batches.take()
            if batch is None:
                self.close()
                return None
            columns = {column: self._column(column, batch) for column in self._columns}
        rows = tuple(range(place.row, place.row + batch.num_rows))
        return Chunk(batches.place, rows, columns)

    def _column(self, column: int, batch: Any) -> Column:
        reader = self._readers[column]
        assert reader is not None
        return reader(batch.column(self._columns.index(column)))


class _Batches:
    """The batches of an open file, from a place on."""

    def __init__(
        self, path: Path, names: list[str], place: Place, first_rows: tuple[int, ...], step: int
    ) -> None:
        self.place = place
        self._file = _open_file(path)
        self._names, self._first_rows, self._step = names, first_rows, step
        self._batches = self._iterate(place.offset)
        # Batches are of one size, so that a place is always where one begins.
        for _ in range((place.row - first_rows[place.offset]) // step):
            next(self._batches)

    def take(self) -> Any | None:
        """The next rows; None at the end."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        group, row = self.place.offset, self.place.row + batch.num_rows
        if row == self._first_rows[group + 1]:
            while group + 1 < len(self._first_rows) and row == self._first_rows[group + 1]:
                group += 1
            self._batches = self._iterate(group)
        self.place = Place(group, row)
        return batch

    def close(self) -> None:
        self._file.close()

    def _iterate(self, group: int) -> Iterator[Any]:
        if group >= len(self._first_rows) - 1:
            return iter(())
        batches: Iterator[Any] = self._file.iter_batches(
            batch_size=self._step, row_groups=[group], columns=self._names, use_threads=False
        )
        return batches


def _open_file(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(
            f"{path} is a Parquet file, which takes pyarrow to read.",
            "Install it with: pip install 'tuitrain[parquet]'.",
        ) from error
    # A pipe or a device is refused before pyarrow opens anything.
    open_stream(path).close()
    with _errors_of(path):
        return parquet.ParquetFile(path, memory_map=False, pre_buffer=False)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        reason = sanitize(str(error), limit=200).rstrip(".")
        raise DatasetError(
            f"{path} is damaged or no Parquet file: {reason}.", "Fetch it again from a good copy."
        ) from error


def _first_rows(path: Path, metadata: Any) -> tuple[int, ...]:
    """The number of the first row of each row group, and the one after the last."""
    firsts = [1]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.total_byte_size > FREE_BYTES:
            raise DatasetError(
                f"{path} has row groups of more than {FREE_BYTES >> 20} MiB, which do not fit into "
                "memory side by side.",
                "Write it with smaller ones, such as row_group_size=100_000.",
            )
        firsts.append(firsts[-1] + max(0, group.num_rows))
    return tuple(firsts)


def _column_reader(kind: Any) -> Callable[[Any], Column] | None:
    """What turns an array of a type into a column; None where its values are no plain ones."""
    from pyarrow import types

    if types.is_dictionary(kind):
        inner = _column_reader(kind.value_type)
        return None if inner is None else _Decoded(inner)
    if types.is_boolean(kind) or types.is_floating(kind) or types.is_null(kind):
        return _read_floats
    if types.is_integer(kind):
        return _read_integers
    if types.is_string(kind) or types.is_large_string(kind):
        return _read_texts
    if types.is_decimal(kind) or types.is_temporal(kind):
        return _read_texts
    return None


class _Decoded:
    """Reads an array of places in a dictionary as its values."""

    def __init__(self, inner: Callable[[Any], Column]) -> None:
        self._inner = inner

    def __call__(self, array: Any) -> Column:
        return self._inner(array.dictionary_decode())


def _read_floats(array: Any) -> Column:
    import pyarrow

    numbers = array.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float64)


def _read_integers(array: Any) -> Column:
    import pyarrow.compute

    bounds = pyarrow.compute.min_max(array).as_py()
    if bounds["min"] is not None and (bounds["max"] > _EXACT or bounds["min"] < -_EXACT):
        return _read_texts(array)
    return _read_floats(array)


def _read_texts(array: Any) -> Column:
    return ["" if value is None else str(value) for value in array.to_pylist()]
