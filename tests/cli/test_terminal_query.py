"""Asking a terminal what it can draw: terminals that answer, that keep silent, that babble."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import PATIENCE_S, own_environment
from tui_trainer.cli.terminal_query import Answers, read_answers

_KITTY = b"\x1b_Gi=31;OK\x1b\\"
_ASK = """
from tui_trainer.cli.terminal_query import ask_terminal
answers = ask_terminal(about_kitty={about_kitty}, patience_s={patience_s})
print("<", answers.has_kitty, answers.has_sixel, answers.cell, ">")
"""


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (_KITTY + b"\x1b[6;20;10t\x1b[?62;c", Answers(has_kitty=True, cell=(10, 20))),
        (b"\x1b[?62;4;22c", Answers(has_sixel=True)),
        (b"\x1b[6;16;8t\x1b[?64;1;2;4c", Answers(has_sixel=True, cell=(8, 16))),
        (b"\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?6c", Answers()),
        (b"\x1b[?4c", Answers()),
        (b"\x1b[?62;44;14c", Answers()),
        (b"\x1b[6;0;0t\x1b[?6c", Answers()),
        (b"", Answers()),
    ],
)
def test_replies_say_what_there_is(replies: bytes, expected: Answers) -> None:
    assert read_answers(replies) == expected


@given(st.binary(max_size=200))
def test_no_babble_is_an_error(replies: bytes) -> None:
    cell = read_answers(replies).cell
    assert cell is None or min(cell) > 0


@contextmanager
def terminal(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A terminal that gives one reply to the question after which all is said.

    After the block all that was written to it has been heard.
    """
    main, side = pty.openpty()
    heard: list[bytes] = [b""]

    def serve() -> None:
        is_answered = False
        while True:
            try:
                heard[0] += os.read(main, 1024)
            except OSError:
                return
            if b"\x1b[c" in heard[0] and not is_answered:
                is_answered = True
                os.write(main, reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield side, heard
    finally:
        os.close(side)
        thread.join(PATIENCE_S)
        os.close(main)


def ask(side: int, *, about_kitty: bool = True, patience_s: float = 20.0) -> str:
    """What a process in a session of its own on that terminal finds out."""
    code = (
        "import os, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.tcsetpgrp(0, os.getpgrp())\n"
        "before = termios.tcgetattr(0)\n"
        + _ASK.format(about_kitty=about_kitty, patience_s=patience_s)
        + "assert termios.tcgetattr(0) == before\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=side,
        capture_output=True,
        text=True,
        env=own_environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"< (.*) >", done.stdout)
    assert found is not None
    return found[1]


def test_a_terminal_that_answers_is_understood_and_left_as_it_was() -> None:
    with terminal(_KITTY + b"\x1b[6;20;10t\x1b[?62;4c") as (side, _):
        assert ask(side) == "True True (10, 20)"


def test_a_terminal_that_prints_the_question_has_the_line_wiped() -> None:
    with terminal(b"\x1b[?62;4c") as (side, heard):
        assert ask(side) == "False True None"
    assert heard[0].endswith(b"\r\x1b[K")


def test_tmux_is_not_asked_about_kitty() -> None:
    with terminal(b"\x1b[?1;2;4c") as (side, heard):
        assert ask(side, about_kitty=False) == "False True None"
    assert b"\x1b_" not in heard[0]
    assert not heard[0].endswith(b"\x1b[K")


def test_a_silent_terminal_is_not_waited_for() -> None:
    with terminal(b"") as (side, _):
        assert ask(side, patience_s=0.05) == "False False None"


def test_without_a_terminal_nothing_is_known() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ASK.format(about_kitty=True, patience_s=20.0)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
    )
    assert done.stdout == "< False False None >\n", done.stderr
