"""Following what a worker prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui_trainer import paths
from tui_trainer.core.console import ConsoleText
from tui_trainer.dashboard.console_tail import LAST_BYTES, ConsoleTail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / paths.WORKER_LOG


def append(log: Path, content: bytes) -> None:
    with open(log, "ab") as file:
        file.write(content)


def test_lines_come_as_they_are_printed(log: Path) -> None:
    tail = ConsoleTail(log.parent)
    assert tail.read() == ConsoleText()
    append(log, b"one\n 5%")
    assert tail.read() == ConsoleText(("one", " 5%"))
    assert tail.read() is None
    append(log, b"\r50%")
    assert tail.read() == ConsoleText(("one", "50%"))
    append(log, b"\x1b[0m")
    assert tail.read() is None


def test_only_the_end_of_a_long_log_is_read(log: Path) -> None:
    line = b"a line of a long log\n"
    append(log, b"first\n" + line * (LAST_BYTES // len(line)) + b"last")
    text = ConsoleTail(log.parent).read()
    assert text is not None
    assert text.is_cut
    assert set(text.lines[:-1]) == {line.decode().strip()}
    assert text.lines[-1] == "last"


def test_a_log_that_outruns_the_tail_goes_on_at_its_end(log: Path) -> None:
    append(log, b"before\n")
    tail = ConsoleTail(log.parent)
    tail.read()
    append(log, b"x" * 100 + b"\n" + b"\n" * LAST_BYTES + b"after")
    text = tail.read()
    assert text is not None and text.is_cut
    assert text.lines[-1] == "after" and "before" not in text.lines


@pytest.mark.parametrize("replaced", [False, True])
def test_a_log_that_begins_anew_is_read_anew(log: Path, replaced: bool) -> None:
    append(log, b"old line that is long\n")
    tail = ConsoleTail(log.parent)
    tail.read()
    if replaced:
        other = log.with_name("other")
        other.write_bytes(b"new line that is longer still\n")
        other.replace(log)
        assert tail.read() == ConsoleText(("new line that is longer still",))
    else:
        log.write_bytes(b"new\n")
        assert tail.read() == ConsoleText(("new",))
    log.unlink()
    assert tail.read() == ConsoleText()


def test_a_log_that_cannot_be_read_says_so(log: Path) -> None:
    log.symlink_to(log.name)  # to itself: no one can open it
    tail = ConsoleTail(log.parent)
    text = tail.read()
    assert text is not None and "cannot be read" in text.problem
    assert tail.read() is None
    log.unlink()
    append(log, b"now\n")
    assert tail.read() == ConsoleText(("now",))


def test_a_pipe_in_the_place_of_the_log_holds_nobody_up(log: Path) -> None:
    os.mkfifo(log)
    assert ConsoleTail(log.parent).read() == ConsoleText()
