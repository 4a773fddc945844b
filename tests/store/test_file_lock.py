"""A lock that is waited for."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from tui_trainer.store import file_lock
from tui_trainer.store.file_lock import is_locked, locked


def test_the_second_waits_for_the_first_and_is_told(tmp_path: Path) -> None:
    order: list[str] = []
    is_waiting = threading.Event()

    def enter() -> None:
        with locked(tmp_path / "lock", is_waiting.set):
            order.append("second")

    thread = threading.Thread(target=enter)
    with locked(tmp_path / "lock"):
        thread.start()
        assert is_waiting.wait(20)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def _hold(path: Path, is_held: object, forever: object) -> None:
    with locked(path):
        is_held.set()  # type: ignore[attr-defined]
        forever.wait()  # type: ignore[attr-defined]


def test_a_process_that_is_killed_leaves_it_free(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    is_held, forever = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(tmp_path / "lock", is_held, forever))
    child.start()
    assert is_held.wait(20)
    child.kill()
    child.join()
    with locked(tmp_path / "lock"):
        pass


def test_the_file_goes_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not is_locked(lock)
    with locked(lock):
        assert is_locked(lock)
    assert not is_locked(lock)
    assert not lock.exists()


def _count_up(folder: Path, times: int) -> None:
    for _ in range(times):
        with locked(folder / "lock"):
            # Two at a time would lose counts, or find the other's file.
            (folder / "busy").touch(exist_ok=False)
            number = int((folder / "count").read_text())
            (folder / "count").write_text(str(number + 1))
            (folder / "busy").unlink()


def test_no_two_hold_it_though_its_file_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_LOOK_S", 0.0005)
    (tmp_path / "count").write_text("0")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_count_up, args=(tmp_path, 150)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    assert (tmp_path / "count").read_text() == "600"
    assert not (tmp_path / "lock").exists()
