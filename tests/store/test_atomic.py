"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tui_trainer.store import atomic
from tui_trainer.store.atomic import (
    make_folder,
    new_folder,
    remove_folder,
    replace_file,
    sweep_hidden,
    sweep_replacements,
    write_durable,
)

_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.fsync"}


def _killed_at(number: int, action: Callable[[], object]) -> bool:
    """Run `action` in a fork that is killed at its `number`th step on the disk; False past them."""

    def child() -> None:
        left = [number]

        def count(event: str, _: object = None) -> None:
            if event in _STEPS:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        fsync = os.fsync

        def counted_fsync(descriptor: int) -> None:
            count("os.fsync")
            fsync(descriptor)

        setattr(os, "fsync", counted_fsync)  # noqa: B010
        sys.addaudithook(count)
        action()

    status = builders.fork(child)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def _refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("seen", range(6))
def test_a_folder_may_be_made_by_another_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    folder = tmp_path / "runs" / "of mine"
    looks = 0
    look = os.stat

    def look_and_then(path: Path, **given: bool) -> os.stat_result:
        nonlocal looks
        looks += 1
        try:
            return look(path, **given)
        finally:
            if looks == seen:
                folder.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(os, "stat", look_and_then)
    make_folder(folder)
    monkeypatch.undo()
    assert folder.is_dir()


@pytest.mark.parametrize("below", ["", "runs", "runs/of mine"])
@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_no_folder_is_made_where_something_else_is(tmp_path: Path, below: str, kind: str) -> None:
    taken = tmp_path / "taken"
    if kind == "file":
        taken.write_text("mine")
    else:
        taken.symlink_to(tmp_path / "gone")
    with pytest.raises(NotADirectoryError) as caught:
        make_folder(taken / below)
    assert caught.value.filename == str(taken)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_made_and_replaced(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"", b"new" * 1000):
        replace_file(path, content, durable=durable)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    contents = set()
    for number in range(1, 50):
        path.write_bytes(b"old")
        killed = _killed_at(number, lambda: replace_file(path, b"new", durable=durable))
        contents.add(path.read_bytes())
        assert contents <= {b"old", b"new"}
        if not killed:
            break
    assert not killed
    assert number > 2
    assert contents == {b"old", b"new"}


@pytest.mark.parametrize("step", ["fsync", "write", "open"])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, _refuse)
        with pytest.raises(OSError, match="Input/output"):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_in_the_rename_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", _refuse)
    for durable in (True, False):
        with pytest.raises(OSError, match="Input/output"):
            replace_file(path, b"new", durable=durable)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_bytes_are_durable_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        order.append("folder" if is_folder else "file")
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    replace_file(tmp_path / "file", b"new")
    assert order == ["file", "rename", "folder"]


def _fill(path: Path, content: bytes) -> None:
    with new_folder(path) as folder:
        for name in ("a", "b", "c"):
            write_durable(folder / name, content)


def _contents(path: Path) -> set[bytes] | None:
    return {(path / name).read_bytes() for name in ("a", "b", "c")} if path.exists() else None


def test_a_folder_appears_when_it_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "parent" / "folder"
    with new_folder(path) as folder:
        (folder / "a").write_bytes(b"new")
        assert not path.exists()
    assert (path / "a").read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["folder"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    _fill(path, b"old")
    (path / "only in the old one").touch()
    _fill(path, b"new")
    assert sorted(os.listdir(path)) == ["a", "b", "c"]
    assert _contents(path) == {b"new"}
    assert os.listdir(tmp_path) == ["folder"]


def test_an_error_while_filling_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    _fill(path, b"old")
    with pytest.raises(KeyboardInterrupt), new_folder(path) as folder:
        (folder / "a").write_bytes(b"new")
        raise KeyboardInterrupt
    assert _contents(path) == {b"old"}
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("failing", [1, 2])
def test_an_error_in_either_rename_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    path = tmp_path / "folder"
    _fill(path, b"old")
    rename, calls = Path.rename, [0]

    def fail_once(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == failing:
            _refuse()
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail_once)
        with pytest.raises(OSError, match="Input/output"):
            _fill(path, b"new")
    assert _contents(path) == {b"old"}
    assert os.listdir(tmp_path) == ["folder"]


def test_a_kill_at_any_step_never_shows_a_folder_in_part(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    seen = []
    for number in range(1, 80):
        shutil.rmtree(path, ignore_errors=True)
        _fill(path, b"old")
        killed = _killed_at(number, lambda: _fill(path, b"new"))
        seen.append(_contents(path))
        if not killed:
            break
    assert not killed
    assert number > 8
    assert {b"old"} in seen and seen[-1] == {b"new"}
    assert all(contents in ({b"old"}, {b"new"}, None) for contents in seen)
    # Between the two renames neither has the name.
    assert seen.count(None) <= 1


def test_a_kill_at_any_step_shows_no_first_folder_in_part(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    seen = []
    for number in range(1, 80):
        shutil.rmtree(path, ignore_errors=True)
        killed = _killed_at(number, lambda: _fill(path, b"new"))
        seen.append(_contents(path))
        if not killed:
            break
    assert not killed
    assert all(contents in ({b"new"}, None) for contents in seen)


def test_a_library_file_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    atomic.fsync_file(path)
    with contextlib.suppress(FileNotFoundError):
        atomic.fsync_file(tmp_path / "missing")
    assert synced == [path.stat().st_ino]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    name = "0" * 32
    half = tmp_path / f".tmp-half-{name}"
    half.mkdir()
    (half / "file").write_bytes(b"half")
    (tmp_path / ".DS_Store").write_bytes(b"not ours")
    # Killed between the two renames: the old one is all there is.
    moved = tmp_path / f".tmp-moved-{name}-old"
    moved.mkdir()
    (moved / "file").write_bytes(b"old")
    # Killed after them: the old one is of no use.
    (tmp_path / f".tmp-whole-{name}-old").mkdir()
    sweep_hidden(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".DS_Store", "moved", "whole"]
    assert (tmp_path / "moved" / "file").read_bytes() == b"old"
    sweep_hidden(tmp_path / "none")


def test_what_a_killed_replacement_left_is_swept(tmp_path: Path) -> None:
    for name in ("file", "other"):
        (tmp_path / name).write_bytes(b"whole")
        (tmp_path / f".{name}.{'0' * 32}.tmp").write_bytes(b"half")
    (tmp_path / ".file.swp").write_bytes(b"an editor's")
    sweep_replacements(tmp_path / "file")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".file.swp", f".other.{'0' * 32}.tmp", "file", "other"]


def test_removed_folder_is_gone_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"")
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
