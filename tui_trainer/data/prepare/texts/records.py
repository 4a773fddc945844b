"""Texts and their labels as they stand in files, one after the other."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Skipped
from tui_trainer.data.prepare.images.file_names import show_name, why_not_file
from tui_trainer.data.prepare.tables.chunks import Table, iterate_chunks
from tui_trainer.data.prepare.tables.columns import format_value, show, texts_of
from tui_trainer.data.prepare.tables.plain_stream import open_stream, tell_unreadable
from tui_trainer.data.prepare.texts.columns import TextColumns, choose_columns
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import read_plain

MAX_TEXT_BYTES = 4 << 20
"""Bytes of one text, or of one line with a text and its label, at most."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_TOO_LONG = f"it is longer than {MAX_TEXT_BYTES >> 20} MiB"
_NOT_UTF_8 = "it is not UTF-8"

Label = str | tuple[str, ...]
"""A label as it stands there; several where it is a list."""


class Record(NamedTuple):
    """A text, where it stands, and what stands in each column of labels."""

    name: str
    text: str
    labels: tuple[Label, ...]


class Reader(Protocol):
    """Reads texts; each time the same ones, in the same order.

    Attributes:
        origin: What is read, a clause for people.
        label_names: The columns of labels.
    """

    @property
    def origin(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...

    def read(self) -> Iterator[Record | Skipped]:
        """All texts, and what cannot be read.

        Raises:
            DatasetError: a file as a whole cannot be read.
        """


class TableReader:
    """The rows of a table in a file."""

    def __init__(self, table: Table, preparation: PreparationConfig, prefix: str = "") -> None:
        """Choose the columns; `prefix` goes before the names of rows.

        Raises:
            DatasetError: they cannot be told.
        """
        columns = choose_columns(table.path, table.names, preparation)
        self._table, self._columns, self._prefix = table, columns, prefix
        table.select((*columns.texts, *columns.labels))
        self.label_names = tuple(table.names[place] for place in columns.labels)
        self.origin = _tell_columns(table.names, columns)

    def read(self) -> Iterator[Record | Skipped]:
        """All rows."""
        for _, chunk in iterate_chunks(self._table):
            found: dict[int, Record | Skipped] = {}
            for row, reason in chunk.skipped:
                found[row] = Skipped(name=f"{self._prefix}row {row}", reason=reason)
            texts = [texts_of(chunk.columns[place]) for place in self._columns.texts]
            labels = [texts_of(chunk.columns[place]) for place in self._columns.labels]
            rows = zip(chunk.rows, zip(*texts, strict=True), zip(*labels, strict=True), strict=True)
            for row, parts, label in rows:
                found[row] = Record(f"{self._prefix}row {row}", " ".join(parts), label)
            yield from (found[row] for row in sorted(found))


class JsonReader:
    """The lines of a file of JSON objects."""

    def __init__(self, path: Path, preparation: PreparationConfig, prefix: str = "") -> None:
        """Choose the keys, by the first object; `prefix` goes before the names of lines.

        Raises:
            DatasetError: they cannot be told, or it is no such file.
        """
        self._path, self._prefix = path, prefix
        keys = self._look_at_first()
        columns = choose_columns(path, keys, preparation)
        self._texts = tuple(keys[place] for place in columns.texts)
        self.label_names = tuple(keys[place] for place in columns.labels)
        self.origin = _tell_columns(keys, columns)

    def read(self) -> Iterator[Record | Skipped]:
        """All objects."""
        for name, line in self._read_lines():
            try:
                value = _parse_object(line)
                text = " ".join(_take_text(value, key) for key in self._texts)
                labels = tuple(_take_label(value, key) for key in self.label_names)
            except ValueError as error:
                yield Skipped(name=name, reason=str(error))
            else:
                yield Record(name, text, labels)

    def _look_at_first(self) -> list[str]:
        """The keys of the first object there is."""
        reason = "it is empty"
        for name, line in self._read_lines():
            if line is not None and line.startswith(b"["):
                raise DatasetError(
                    f"{self._path} holds lists, not an object on each line.",
                    'Write it as JSON Lines: {"text": …, "label": …} on each line.',
                )
            try:
                return list(_parse_object(line))
            except ValueError as error:
                reason = f"{name}: {error}"
        raise DatasetError(
            f"{self._path} holds no JSON object on a line; {reason}.",
            'Write it as JSON Lines: {"text": …, "label": …} on each line.',
        )

    def _read_lines(self) -> Iterator[tuple[str, bytes | None]]:
        """Lines that are not blank, by name; None for one that is too long."""
        try:
            with open_stream(self._path) as stream:
                number = 0
                while line := stream.readline(MAX_TEXT_BYTES + 1):
                    number += 1
                    name = f"{self._prefix}line {number}"
                    if number == 1:
                        self._check_encoding(line)
                        line = line.removeprefix(codecs.BOM_UTF8)
                    if len(line) > MAX_TEXT_BYTES:
                        # The rest of it is passed over piece by piece.
                        while line and not line.endswith(b"\n"):
                            line = stream.readline(MAX_TEXT_BYTES)
                        yield name, None
                    elif stripped := line.strip():
                        yield name, stripped
        except OSError as error:
            raise tell_unreadable(self._path, error) from error

    def _check_encoding(self, line: bytes) -> None:
        if line.startswith(_UTF_16):
            raise DatasetError(
                f"{self._path} is written in UTF-16.",
                "Convert it: iconv -f UTF-16 -t UTF-8 old.jsonl > new.jsonl.",
            )


@dataclass(frozen=True)
class FolderReader:
    """Files of one text each, whose label is that of their folder.

    Attributes:
        root: The resolved path of the folder that is not left.
        files: Each file relative to it, and its label.
    """

    root: str
    files: Sequence[tuple[str, str]]
    label_names: tuple[str, ...] = ("folder",)
    origin: str = "a text in each file, a class in each folder"

    def read(self) -> Iterator[Record | Skipped]:
        """The text of each file."""
        for name, label in self.files:
            try:
                yield Record(show_name(name), self._read_file(name), (label,))
            except ValueError as error:
                yield Skipped(name=show_name(name), reason=str(error))

    def _read_file(self, name: str) -> str:
        if reason := why_not_file(self.root, name):
            raise ValueError(reason)
        path = Path(os.path.join(self.root, name))
        try:
            if path.stat().st_size > MAX_TEXT_BYTES:
                raise ValueError(_TOO_LONG)
            content = read_plain(path, MAX_TEXT_BYTES)
        except OSError as error:
            raise ValueError(f"it cannot be opened: {error.strerror or error}") from error
        return _decode(content.removeprefix(codecs.BOM_UTF8))


def _parse_object(line: bytes | None) -> dict[str, Any]:
    """The object on a line; a ValueError tells why there is none."""
    if line is None:
        raise ValueError(_TOO_LONG)
    try:
        value = json.loads(
            _decode(line), object_pairs_hook=_take_pairs, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg}, at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{_NOT_UTF_8} at byte {error.start + 1}") from error


def _take_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _take_text(value: dict[str, Any], key: str) -> str:
    if key not in value:
        raise ValueError(f"it has no {show(key)}")
    text = value[key]
    if not isinstance(text, str):
        raise ValueError(f"its {show(key)} is no text")
    return text


def _take_label(value: dict[str, Any], key: str) -> Label:
    if key not in value:
        raise ValueError(f"it has no {show(key)}")
    label = value[key]
    if isinstance(label, list):
        return tuple(_label_as_text(part, key) for part in label)
    return _label_as_text(label, key)


def _label_as_text(label: object, key: str) -> str:
    match label:
        case str():
            return label
        case None:
            return ""
        case bool():
            return str(label).lower()
        case int():
            return str(label)
        case float():
            return format_value(label)
    raise ValueError(f"its {show(key)} is neither text nor number")


def _tell_columns(names: Sequence[str], columns: TextColumns) -> str:
    texts = " and ".join(show(names[place]) for place in columns.texts)
    labels = " and ".join(show(names[place]) for place in columns.labels)
    return f"texts from {texts}, labels from {labels}"
