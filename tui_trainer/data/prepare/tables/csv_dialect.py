"""What a text table is written in: its encoding, its delimiter, and whether it has a header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tui_trainer.data.prepare.tables.columns import parse_number
from tui_trainer.data.prepare.tables.plain_stream import open_stream
from tui_trainer.errors import DatasetError

_SAMPLE_BYTES = 1 << 17
_MAX_HEAD_BYTES = 4 << 20
_MIN_LINES = 3
_SAMPLE_ROWS = 200
_DELIMITERS = (",", ";", "\t", "|")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_8_MARK = b"\xef\xbb\xbf"
# Of the first row's column, this share of what follows are numbers where the first is a name.
_MOSTLY = 0.9


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes:
        encoding: `utf-8` or `utf-16`.
        delimiter: What stands between two fields.
        first_row: The fields of the first row.
        has_header: Whether these are names.
    """

    encoding: str
    delimiter: str
    first_row: tuple[str, ...]
    has_header: bool


def sniff_dialect(path: Path, known_names: Iterable[str]) -> Dialect:
    """Look at the first rows of a text table.

    A first row is a header if it has a name above a column of numbers. Where everything is text,
    it is one if it holds one of `known_names`, in lower case, or nothing of it comes again below.

    Raises:
        DatasetError: it cannot be read, is empty, or has no columns.
    """
    head, is_whole = _read_head(path)
    encoding = "utf-16" if head.startswith(_UTF_16) else "utf-8"
    text = head.removeprefix(_UTF_8_MARK).decode(encoding, errors="replace")
    if "\0" in text:
        raise DatasetError(
            f"{path} holds zero bytes: it is no text.",
            "Save it as CSV in UTF-8, or name the right file.",
        )
    if not is_whole:
        # The last line is cut.
        text = text[: text.rfind("\n") + 1]
    delimiter, rows = _choose_delimiter(text)
    if not rows:
        raise DatasetError(f"{path} is empty.", "Name a file with rows.")
    if len(rows[0]) < 2:
        raise DatasetError(
            f"{path} has one column only, whichever of comma, semicolon, tab and bar separates.",
            "It takes a column to learn from and one of labels.",
        )
    return Dialect(encoding, delimiter, tuple(rows[0]), _has_header(rows, frozenset(known_names)))


def _read_head(path: Path) -> tuple[bytes, bool]:
    """A few rows at least, and whether they are all."""
    with open_stream(path) as stream:
        head = b""
        while piece := stream.read(_SAMPLE_BYTES):
            head += piece
            if head.count(b"\n") >= _MIN_LINES:
                return head, not stream.peek(1)
            if len(head) > _MAX_HEAD_BYTES:
                raise DatasetError(
                    f"{path} has no rows: its first {_MAX_HEAD_BYTES >> 20} MiB hold fewer than "
                    f"{_MIN_LINES} lines.",
                    "Name a table with a line for each sample.",
                )
    return head, True


def read_fields(text: str, delimiter: str = ",") -> list[str]:
    """The fields of one line, such as of a list of names that may be quoted.

    Raises:
        csv.Error: it is no such line.
    """
    return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])


def _choose_delimiter(text: str) -> tuple[str, list[list[str]]]:
    """The delimiter by which most rows have equally many fields, and the rows."""
    best: tuple[float, int] = (-1.0, 0)
    chosen: tuple[str, list[list[str]]] = (",", [])
    for delimiter in _DELIMITERS:
        rows = _read_rows(text, delimiter)
        if not rows:
            continue
        width, count = Counter(len(row) for row in rows).most_common(1)[0]
        quality = (round(count / len(rows), 2) if width > 1 else 0.0, width)
        if quality > best:
            best, chosen = quality, (delimiter, rows)
    return chosen


def _read_rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(row):
                rows.append([field.strip() for field in row])
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:
        # What is wrong with a row is told when the whole is read.
        return rows
    return rows


def _has_header(rows: Sequence[Sequence[str]], known_names: frozenset[str]) -> bool:
    first = rows[0]
    below = [row for row in rows[1:] if len(row) == len(first)]
    if not any(first):
        return False
    are_names = [bool(field) and parse_number(field) is None for field in first]
    for column, is_name in enumerate(are_names):
        values = [row[column] for row in below]
        numbers = sum(parse_number(value) is not None for value in values)
        if is_name and values and numbers >= _MOSTLY * len(values):
            return True
    if not all(is_name or not field for is_name, field in zip(are_names, first, strict=True)):
        return False
    if known_names & {field.lower() for field in first}:
        return True
    repeated = (field in {row[column] for row in below} for column, field in enumerate(first))
    return not any(repeated)
