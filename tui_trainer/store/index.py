"""An index of the run folders, so that a list of a thousand runs opens no thousand logs.

It only repeats what the folders say. It is rebuilt when missing, stale or damaged, and done
without when locked or on a disk that refuses it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from tui_trainer import paths

_SCHEMA_VERSION = 1
_BUSY_S = 0.25
# Errors that say nothing against the file: it is in use, or the disk will not take it.
_PASSING = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip


class Index:
    """Entries by run name: a signature of the files an entry was made from, and its content."""

    def __init__(self, runs_dir: Path) -> None:
        self._path = runs_dir / paths.INDEX

    def read(self) -> dict[str, tuple[str, bytes]]:
        """Every entry: `{run: (signature, content)}`; empty where the index is of no use."""
        # Not `Path.exists`, which raises where the folder may not be entered.
        if not os.path.exists(self._path):
            return {}
        try:
            return self._select()
        except sqlite3.DatabaseError as error:
            self._remove_if_damaged(error)
            return {}

    def write(self, changed: Mapping[str, tuple[str, bytes]], removed: list[str]) -> None:
        """Store changed entries and drop removed ones, in one transaction, if that is possible."""
        if not changed and not removed:
            return
        try:
            self._update(changed, removed)
        except OSError:
            return
        except sqlite3.DatabaseError as error:
            # The folders are the truth; the next reader tries again.
            self._remove_if_damaged(error)

    def _connect(self) -> sqlite3.Connection:
        # Private from the start, and an error where the file may not be written.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S)
        connection.execute("PRAGMA journal_mode=DELETE")
        return connection

    def _select(self) -> dict[str, tuple[str, bytes]]:
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, timeout=_BUSY_S, uri=True)
        try:
            if _version(connection) != _SCHEMA_VERSION:
                return {}
            rows = connection.execute("SELECT run, signature, content FROM runs").fetchall()
            # SQLite's columns take any type, so a damaged page can hold any.
            return {
                run: (signature, content)
                for run, signature, content in rows
                if isinstance(run, str) and isinstance(signature, str)
                if isinstance(content, bytes)
            }
        finally:
            connection.close()

    def _update(self, changed: Mapping[str, tuple[str, bytes]], removed: list[str]) -> None:
        connection = self._connect()
        try:
            with connection:
                if _version(connection) != _SCHEMA_VERSION:
                    connection.execute("DROP TABLE IF EXISTS runs")
                    connection.execute(
                        "CREATE TABLE runs (run TEXT PRIMARY KEY, signature TEXT, content BLOB)"
                    )
                    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                connection.executemany(
                    "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)",
                    [(run, signature, content) for run, (signature, content) in changed.items()],
                )
                connection.executemany("DELETE FROM runs WHERE run = ?", [(r,) for r in removed])
                stored = dict(connection.execute("SELECT run, signature FROM runs"))
                # A damaged tree can lose what was put into it a moment ago.
                if any(stored.get(run) != changed[run][0] for run in changed):
                    raise sqlite3.DatabaseError("an entry is not where it was put")
        finally:
            connection.close()

    def _remove_if_damaged(self, error: sqlite3.DatabaseError) -> None:
        # Only the low byte names the kind of error; Python's own carry no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        # Without more to it, this one comes of the file's header: see `_connect`.
        if code & 0xFF in _PASSING and code != sqlite3.SQLITE_READONLY:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._path.with_name(self._path.name + "-journal").unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0])
