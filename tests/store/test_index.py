"""The index repeats what the folders say, or is done without."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests import builders
from tests.conftest import MakeRun
from tui_trainer import paths
from tui_trainer.core.events import Message
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import LogFold
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.store import index as index_module
from tui_trainer.store import record_reader
from tui_trainer.store.index import Index
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import read_fold, read_run


@pytest.fixture
def runs(registry: Registry, make_run: MakeRun) -> Registry:
    """A registry of four runs of every sort, with its index."""
    make_run(builders.session_start(), builders.nan_steps(), name="baseline")
    make_run(builders.session_start(), builders.evaluated(), builders.failed())
    make_run()
    damaged = make_run(builders.session_start(), Message(text="a"), Message(text="b"))
    damaged.events.write_bytes(damaged.events.read_bytes().replace(b'"a"', b'"c"'))
    assert _agrees(registry)
    assert _index(registry).exists()
    return registry


def _index(registry: Registry) -> Path:
    return registry.path / paths.INDEX


def _agrees(registry: Registry) -> bool:
    """Whether the list is what the folders themselves say."""
    records = registry.records()
    truth: list[RunRecord] = [read_run(folder) for folder in registry.folders()]
    return list(map(encode_sealed, records)) == list(map(encode_sealed, truth))


def _is_used(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a list opens no log."""
    read = []

    def note(run: Path) -> LogFold:
        read.append(run)
        return read_fold(run)

    with monkeypatch.context() as patch:
        patch.setattr(record_reader, "read_fold", note)
        registry.records()
    return not read


def test_a_good_index_spares_the_logs(runs: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_used(runs, monkeypatch)


def _execute(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return damage


def _garble(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


_DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": _garble,
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "header only": lambda path: os.truncate(path, 100),
    "other version": _execute("PRAGMA user_version = 99"),
    "no table": _execute("DROP TABLE runs"),
    "other table": _execute("DROP TABLE runs", "CREATE TABLE runs (a, b)"),
    "no rows": _execute("DELETE FROM runs"),
    "numbers for content": _execute("UPDATE runs SET content = 7"),
    "null for content": _execute("UPDATE runs SET content = NULL"),
    "text for content": _execute("UPDATE runs SET content = 'a'"),
    "numbers for signatures": _execute("UPDATE runs SET signature = 7"),
    "bytes for names": _execute("UPDATE runs SET run = CAST(run AS BLOB)"),
    "entries exchanged": _execute(
        "UPDATE runs SET content = (SELECT content FROM runs WHERE run = 'run2') "
        "WHERE run = 'run1'",
        "INSERT INTO runs SELECT 'run77', signature, content FROM runs WHERE run = 'run1'",
    ),
    "half a journal": lambda path: path.with_name(path.name + "-journal").write_bytes(b"x" * 600),
}


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_a_damaged_index_is_mended(
    runs: Registry, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(_index(runs))
    assert _agrees(runs)
    runs.records()
    assert _is_used(runs, monkeypatch)
    assert _agrees(runs)


def test_any_damaged_byte_of_the_index_changes_no_record(runs: Registry) -> None:
    path = _index(runs)
    good = path.read_bytes()
    noise = random.Random(1)
    used = [position for position, byte in enumerate(good) if byte]
    for position in noise.sample(used, 60) + noise.sample(range(100), 20):
        damaged = bytearray(good)
        damaged[position] ^= 1 << noise.randrange(8)
        path.write_bytes(damaged)
        assert _agrees(runs), position


def test_a_changed_digit_in_an_entry_is_not_believed(runs: Registry) -> None:
    path = _index(runs)
    content = path.read_bytes()
    assert content.count(b'"steps":30') == 3
    path.write_bytes(content.replace(b'"steps":30', b'"steps":31'))
    assert _agrees(runs)


def test_a_stale_index_is_brought_up_to_date(runs: Registry, make_run: MakeRun) -> None:
    builders.write_log(runs.path / "run1" / paths.EVENTS, [builders.steps(3)])
    (runs.path / "run2" / paths.ANNOTATIONS).write_bytes(
        msgspec.json.encode(Annotations(tags=("new",)))
    )
    shutil.rmtree(runs.path / "run3")
    make_run(builders.session_start())
    assert _agrees(runs)
    assert runs.records()[0].snapshot.step == 4
    assert runs.records()[1].annotations.tags == ("new",)
    assert sorted(Index(runs.path).read()) == ["run1", "run2", "run4", "run5"]


def test_an_index_of_other_runs_is_not_believed(runs: Registry, tmp_path: Path) -> None:
    other = Registry(tmp_path / "elsewhere")
    other.create(builders.environment(), b"")
    shutil.copy(_index(runs), _index(other))
    assert _agrees(other)


def test_a_locked_index_is_done_without(
    runs: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_BUSY_S", 0.01)
    make_run(builders.session_start())
    connection = sqlite3.connect(_index(runs), isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert _agrees(runs)
    connection.execute("COMMIT")
    connection.close()
    assert _agrees(runs)
    assert _is_used(runs, monkeypatch)


@pytest.mark.parametrize("damage", [Path.unlink, _garble], ids=["missing", "garbage"])
def test_an_index_in_a_read_only_folder_is_done_without(
    runs: Registry, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(_index(runs))
    opened = os.open

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open_for_reading(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            refuse()
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", open_for_reading)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert _agrees(runs)
    assert _agrees(runs)


def test_a_folder_in_place_of_the_index_is_done_without(runs: Registry) -> None:
    _index(runs).unlink()
    _index(runs).mkdir()
    assert _agrees(runs)


@pytest.mark.parametrize("name", ["100%41", "what?", "a#b", "with space", "ümlaut", "a&mode=rwc"])
def test_a_folder_of_any_name_has_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    registry = Registry(tmp_path / name)
    registry.create(builders.environment(), b"")
    assert _agrees(registry)
    assert _is_used(registry, monkeypatch)
    assert os.listdir(tmp_path) == [name]


def test_the_index_keeps_no_write_ahead_log_and_is_private(runs: Registry) -> None:
    connection = sqlite3.connect(_index(runs))
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    assert _index(runs).stat().st_mode & 0o777 == 0o600
    assert not [name for name in os.listdir(runs.path) if name.endswith(("-wal", "-journal"))]
