"""A lock that is waited for."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

from tui_trainer.store.file_lock import locked


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
