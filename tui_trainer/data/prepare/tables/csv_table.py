"""CSV files as tables: any delimiter, UTF-8 or UTF-16, gzipped or not, read chunk by chunk."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.tables.chunks import Chunk, Place, rows_per_chunk
from tui_trainer.data.prepare.tables.csv_dialect import sniff_dialect
from tui_trainer.data.prepare.tables.plain_stream import (
    Handle,
    Recoded,
    open_stream,
    tell_undecodable,
)
from tui_trainer.errors import DatasetError

MAX_RECORD_BYTES = 16 << 20
"""Bytes of one row at most; they are in memory at once."""
_MAX_CHUNK_BYTES = 8 << 20
_PIECE_BYTES = 1 << 16
# Wider tables take numpy long to make a type for.
_MAX_PLAIN_WIDTH = 4096
_MAX_PLAIN_FAILURES = 8
_GAP = "nan"


class CsvTable(Handle):
    """A table in a text file; places are bytes of its text in UTF-8."""

    def __init__(self, path: Path, known_names: frozenset[str]) -> None:
        """Find out how the file is written; `known_names` are those that only a header has.

        Raises:
            DatasetError: it cannot be read, or is no table.
        """
        dialect = sniff_dialect(path, known_names)
        self.path = path
        self.has_header = dialect.has_header
        width = len(dialect.first_row)
        numbered = tuple(str(number + 1) for number in range(width))
        self.names = dialect.first_row if dialect.has_header else numbered
        self.start = Place(0, 1)
        self._encoding, self._delimiter = dialect.encoding, dialect.delimiter
        self._columns = tuple(range(width))
        self._dtype: np.dtype[Any] | None = None

    def select(self, columns: tuple[int, ...], numeric: frozenset[int] = frozenset()) -> None:
        """Have only these columns read from now on; `numeric` ones hold numbers, it seems."""
        self._columns = columns
        width = len(self.names)
        self._dtype = None
        if numeric and width <= _MAX_PLAIN_WIDTH:
            fields = [(f"{n}", "f8" if n in numeric else "O") for n in range(width)]
            self._dtype = np.dtype(fields)

    def read(self, place: Place) -> Chunk | None:
        """The chunk that begins there; None at the end.

        Raises:
            DatasetError: the file is damaged, or was changed.
        """
        records: _Records | None = self._opened
        if records is None or records.place != place:
            self.close()
            records = self._opened = _Records(self.path, self._encoding, self._delimiter, place)
        lines = records.take_lines(rows_per_chunk(len(self.names)))
        if not lines:
            self.close()
            return None
        return self._read_plain(records, lines) or self._read_any(records, lines)

    def _read_plain(self, records: _Records, lines: list[str]) -> Chunk | None:
        """The chunk, if each line is a row, and what is thought to be a number is one.

        Numpy reads such rows three times as fast as they are taken apart and converted one by one.
        """
        if self._dtype is None or records.plain_failures > _MAX_PLAIN_FAILURES:
            return None
        if self.has_header and records.place.row == 1:
            return None
        if any('"' in line for line in lines):
            return None
        table = None
        if not records.has_gaps:
            table = self._load(lines)
        if table is None:
            table = self._load([_fill_gaps(line, self._delimiter) for line in lines])
            records.has_gaps = table is not None
        if table is None:
            # Which value of which row it is, is found out by the other way.
            records.plain_failures += 1
            return None
        if len(table) != len(lines):
            return None
        records.plain_failures = 0
        first = records.place.row
        records.pass_lines(len(lines))
        columns = {c: table[f"{c}"] for c in self._columns}
        texts = {
            c: ["" if text == _GAP else text for text in v.tolist()]
            for c, v in columns.items()
            if v.dtype.kind == "O"
        }
        return Chunk(records.place, tuple(range(first, first + len(table))), {**columns, **texts})

    def _load(self, lines: list[str]) -> npt.NDArray[Any] | None:
        """The fields of lines by column; None where one is of another type, or they are ragged."""
        try:
            table: npt.NDArray[Any] = np.loadtxt(
                lines, self._dtype, comments=None, delimiter=self._delimiter, ndmin=1
            )
        except ValueError:
            return None
        return table

    def _read_any(self, records: _Records, lines: list[str]) -> Chunk:
        width = len(self.names)
        rows: list[int] = []
        fields: list[list[str]] = []
        skipped: list[tuple[int, str]] = []
        skip_header = self.has_header and records.place.row == 1
        for number, record in records.take_apart(lines):
            if isinstance(record, str):
                skipped.append((number, record))
            elif len(record) < 2 and not any(record):
                # An empty line, such as the last.
                continue
            elif skip_header:
                skip_header = False
            elif len(record) == width:
                rows.append(number)
                fields.append(record)
            else:
                skipped.append((number, f"it has {len(record)} fields, not {width}"))
        whole = list(zip(*fields, strict=True)) or [()] * width
        columns = {column: whole[column] for column in self._columns}
        return Chunk(records.place, tuple(rows), columns, tuple(skipped))


def _fill_gaps(line: str, delimiter: str) -> str:
    """A line in which what is missing is said to be."""
    # Twice, as two gaps share the delimiter between them.
    for _ in range(2):
        line = line.replace(delimiter * 2, f"{delimiter}{_GAP}{delimiter}")
    line = f"{_GAP}{line}" if line.startswith(delimiter) else line
    return f"{line}{_GAP}" if line.endswith(delimiter) else line


class _Records:
    """The rows of an open file, from a place on.

    Attributes:
        place: Where the next row begins.
        has_gaps: Whether the lines taken last had fields with nothing in them.
        plain_failures: How often in a row lines could not be read the quick way.
    """

    def __init__(self, path: Path, encoding: str, delimiter: str, place: Place) -> None:
        self._path = path
        self._stream = open_stream(path)
        if encoding == "utf-16":
            self._stream = io.BufferedReader(Recoded(path, self._stream))
        self._delimiter = delimiter
        self.place = place
        self.has_gaps = False
        self.plain_failures = 0
        self._offset = place.offset
        self._ahead = 0
        self._record_length = 0
        self._skip(place.offset)

    def take_lines(self, most: int) -> list[str]:
        """The next lines; the rows that begin in them are a chunk."""
        begin = self._offset
        lines: list[bytes] = []
        while len(lines) < most and self._offset - begin < _MAX_CHUNK_BYTES:
            line = self._read_line()
            if not line:
                break
            lines.append(line)
        self._ahead = len(lines)
        content = b"".join(lines)
        if begin == 0:
            content = content.removeprefix(codecs.BOM_UTF8)
        text = self._decode(content, self._offset - len(content))
        ended = text if text.endswith("\n") or not text else text + "\n"
        return ended.replace("\r\n", "\n").split("\n")[:-1]

    def pass_lines(self, rows: int) -> None:
        """All lines taken were rows, so many."""
        self._ahead = 0
        self.place = Place(self._offset, self.place.row + rows)

    def take_apart(self, lines: list[str]) -> Iterator[tuple[int, list[str] | str]]:
        """The rows that begin in lines taken, by number: their fields, or why there are none."""
        # Without `strict` a quote that is never closed takes all the rest for one field.
        reader = csv.reader(
            self._feed(lines), delimiter=self._delimiter, skipinitialspace=True, strict=True
        )
        row = self.place.row
        while self._ahead > 0:
            ahead, offset = self._ahead, self._offset
            self._record_length = 0
            record: list[str] | str
            try:
                record = next(reader)
            except csv.Error as error:
                spans_lines = ahead - self._ahead > 1 or offset != self._offset
                if spans_lines or "unexpected end" in str(error):
                    raise self._tell_unclosed(row) from error
                record = f"it cannot be taken apart ({sanitize(str(error), limit=80)})"
            yield row, record
            row += 1
        self.place = Place(self._offset, row)

    def close(self) -> None:
        self._stream.close()

    def _feed(self, lines: list[str]) -> Iterator[str]:
        for line in lines:
            self._ahead -= 1
            self._record_length += len(line)
            self._check_length()
            yield line + "\n"
        while line_bytes := self._read_line():
            self._record_length += len(line_bytes)
            self._check_length()
            yield self._decode(line_bytes, self._offset - len(line_bytes)).replace("\r\n", "\n")

    def _read_line(self) -> bytes:
        line = self._stream.readline(MAX_RECORD_BYTES + 1)
        self._offset += len(line)
        if len(line) > MAX_RECORD_BYTES:
            self._record_length = len(line)
            self._check_length()
        return line

    def _check_length(self) -> None:
        if self._record_length > MAX_RECORD_BYTES:
            raise DatasetError(
                f"{self._path}, row {self.place.row} or later: a row is longer than "
                f"{MAX_RECORD_BYTES >> 20} MiB.",
                "Remove it, or close the quotation mark that it opens.",
            )

    def _skip(self, offset: int) -> None:
        """Go to a place in the text, through what comes before if need be."""
        if offset and isinstance(self._stream.raw, io.FileIO):
            self._stream.seek(offset)
            return
        while offset:
            piece = self._stream.read(min(offset, _PIECE_BYTES))
            if not piece:
                raise DatasetError(
                    f"{self._path} was changed while it was read.", "Prepare it again."
                )
            offset -= len(piece)

    def _decode(self, content: bytes, offset: int) -> str:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            row = self.place.row + content.count(b"\n", 0, error.start)
            where = f"byte {offset + error.start + 1}, in row {row},"
            raise tell_undecodable(self._path, where, "UTF-8") from error
        if "\0" in text:
            row = self.place.row + text.count("\n", 0, text.index("\0"))
            raise DatasetError(
                f"{self._path}, row {row}: it holds a zero byte, so that it is no text.",
                "Save it as CSV in UTF-8.",
            )
        return text

    def _tell_unclosed(self, row: int) -> DatasetError:
        return DatasetError(
            f"{self._path}, row {row}: a quotation mark is opened and not closed where it should.",
            "Close it, or double it where it is part of the text.",
        )
