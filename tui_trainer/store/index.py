"""An index of the run folders, so that a list of a thousand runs opens no thousand logs.

It only repeats what the folders say. It is rebuilt when missing, stale or damaged, and done
without when locked or on a disk that refuses it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from tui_trainer import paths

_SCHEMA_VERSION = 1
_BUSY_S = 0.25


class Index:
    """Entries by run name: a signature of the files an entry was made from, and its content."""

    def __init__(self, runs_dir: Path) -> None:
        self._path = runs_dir / paths.INDEX

    def read(self) -> dict[str, tuple[str, bytes]]:
        """Every entry: `{run: (signature, content)}`; empty where the index is of no use."""
        if not self._path.exists():
            return {}
        try:
            return self._select()
        except sqlite3.OperationalError:
            return {}
        except sqlite3.DatabaseError:
            self._remove()
            return {}

    def write(self, changed: Mapping[str, tuple[str, bytes]], removed: list[str]) -> None:
        """Store changed entries and drop removed ones, in one transaction, if that is possible."""
        if not changed and not removed:
            return
        try:
            self._update(changed, removed)
        except sqlite3.OperationalError:
            # Locked or read-only: the folders are the truth, the next reader tries again.
            return
        except sqlite3.DatabaseError:
            self._remove()

    def _connect(self) -> sqlite3.Connection:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        connection = sqlite3.connect(self._path, timeout=_BUSY_S)
        connection.execute("PRAGMA journal_mode=DELETE")
        return connection

    def _select(self) -> dict[str, tuple[str, bytes]]:
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", timeout=_BUSY_S, uri=True)
        try:
            if _version(connection) != _SCHEMA_VERSION:
                return {}
            rows = connection.execute("SELECT run, signature, content FROM runs").fetchall()
            return {run: (signature, content) for run, signature, content in rows}
        finally:
            connection.close()

    def _update(self, changed: Mapping[str, tuple[str, bytes]], removed: list[str]) -> None:
        try:
            connection = self._connect()
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
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
        finally:
            connection.close()

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self._path.with_name(self._path.name + "-journal").unlink(missing_ok=True)


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0])
