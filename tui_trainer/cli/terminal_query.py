"""What the terminal says of itself when asked: which graphics it draws, how large a cell is."""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass

from tui_trainer.core.graphics.kitty import ANSWER, QUERY

PATIENCE_S = 0.5
_MOST_BYTES = 4096
_ASK_CELL_SIZE = "\x1b[16t"
# Every terminal answers this one, and in order: once its answer is here, so are all others.
_ASK_ATTRIBUTES = "\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
_CELL_SIZE = re.compile(rb"\x1b\[6;([0-9]{1,4});([0-9]{1,4})t")
_SIXEL_ATTRIBUTE = b"4"


@dataclass(frozen=True)
class Answers:
    """What a terminal said; `cell` is a cell's width and height in pixels, where it told."""

    has_kitty: bool = False
    has_sixel: bool = False
    cell: tuple[int, int] | None = None


def ask_terminal(*, about_kitty: bool = True, patience_s: float = PATIENCE_S) -> Answers:
    """Ask the terminal that this process belongs to; nothing is known where it keeps silent.

    Args:
        about_kitty: Whether it may be asked for kitty's graphics: tmux and screen take the
            question for the title of a window.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        # There is none, as under cron.
        return Answers()
    try:
        # In the background both reading and setting it would stop this process.
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return Answers()
        with _raw(terminal):
            question = (QUERY if about_kitty else "") + _ASK_CELL_SIZE + _ASK_ATTRIBUTES
            os.write(terminal, question.encode())
            answers = read_answers(_read(terminal, patience_s))
            if about_kitty and not answers.has_kitty:
                # Some that do not know the question print it.
                os.write(terminal, b"\r\x1b[K")
            return answers
    except (OSError, termios.error):
        # It was closed meanwhile, or takes no settings.
        return Answers()
    finally:
        os.close(terminal)


def read_answers(replies: bytes) -> Answers:
    """What the replies to all three questions say."""
    attributes = _ATTRIBUTES.search(replies)
    size = _CELL_SIZE.search(replies)
    height, width = map(int, size.groups()) if size else (0, 0)
    return Answers(
        has_kitty=ANSWER.encode() in replies,
        has_sixel=attributes is not None and _SIXEL_ATTRIBUTE in attributes[1].split(b";")[1:],
        cell=(width, height) if width and height else None,
    )


def _read(terminal: int, patience_s: float) -> bytes:
    replies = b""
    deadline = time.monotonic() + patience_s
    while not _ATTRIBUTES.search(replies) and len(replies) < _MOST_BYTES:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([terminal], [], [], left_s)[0]:
            break
        piece = os.read(terminal, 1024)
        if not piece:
            break
        replies += piece
    return replies


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Without echo and line by line reading; what came too late is thrown away at the end."""
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
