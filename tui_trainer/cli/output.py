"""The one place that prints: results to standard output, talk to standard error."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO

from tui_trainer.core.text_safety import sanitize, sanitize_lines
from tui_trainer.errors import TuitrainError

if TYPE_CHECKING:
    from rich.console import Console

_NOT_ASCII = re.compile(r"[^\x20-\x7e\n]")


def result_console() -> Console:
    """Where results go."""
    from rich.console import Console

    # A pipe has no width: what is read by a program or kept in a file is never cut.
    width = None if sys.stdout.isatty() else 10_000
    return Console(width=width, highlight=False, emoji=False, markup=False, soft_wrap=True)


def talk_console() -> Console:
    """Where everything else goes."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)


class Column(NamedTuple):
    """A column of a table; the higher its rank, the sooner a narrow terminal does without it."""

    title: str
    rank: int
    right: bool = False


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    """A table on standard output, with as many of its columns as fit whole: how many comes back."""
    from rich.cells import cell_len
    from rich.table import Table

    console = result_console()
    widths = [
        max(cell_len(text) for text in (column.title, *(row[n] for row in rows)))
        for n, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    while len(shown) > 1 and sum(widths[n] + 2 for n in shown) - 2 > console.width:
        shown.remove(max(shown, key=lambda n: columns[n].rank))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for n in shown:
        justify: Literal["left", "right"] = "right" if columns[n].right else "left"
        table.add_column(columns[n].title, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(row[n] for n in shown))
    console.print(table)
    return len(shown)


def print_json(document: Any) -> None:
    """One JSON document, alone, on standard output."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # What a terminal would obey stands escaped: a document is often looked at in one.
    sys.stdout.write(_NOT_ASCII.sub(_escape_unsafe, text) + "\n")


def _escape_unsafe(match: re.Match[str]) -> str:
    character = match[0]
    return character if sanitize(character) else json.dumps(character)[1:-1]


def say(text: str) -> None:
    """A line for the person, on standard error."""
    sys.stderr.write(_wrap(sanitize(text), sys.stderr) + "\n")
    sys.stderr.flush()


def _wrap(line: str, stream: TextIO, indent: int = 0) -> str:
    """The line, broken between words where it is wider than the terminal; paths stay whole."""
    if not stream.isatty():
        return line
    width = shutil.get_terminal_size().columns
    if len(line) <= width:
        return line
    # Not where a path or an address would then be cut by the terminal.
    longest = max(map(len, line.split()), default=0)
    margin = " " * indent if indent + longest <= width else ""
    wrapped = textwrap.wrap(
        line, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapped)


def say_lines(text: str) -> None:
    """Lines for the person, on standard error."""
    sys.stderr.write(sanitize_lines(text) + "\n")


def print_line(text: str, *, indent: int = 0) -> None:
    """A line of result, on standard output; where it is broken, the rest begins so far in."""
    sys.stdout.write(_wrap(sanitize(text), sys.stdout, indent) + "\n")


def print_drawing(text: str) -> None:
    """Lines that were drawn here, with sequences that a terminal obeys, on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(error: TuitrainError, *, as_json: bool, debug: bool) -> None:
    """What is wrong and what to do; with `debug` also where it happened."""
    if debug:
        sys.stderr.write(sanitize_lines("".join(traceback.format_exception(error))) + "\n")
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return
    first, *more = error.message.split("\n")
    lines = [paint("error: ", "1;31") + sanitize(first), *map(sanitize, more)]
    if error.hint:
        lines.append(sanitize(error.hint))
    sys.stderr.write("\n".join(lines) + "\n")


def paint(text: str, code: str) -> str:
    """Text in a colour, where standard error is a terminal that wants it."""
    wants = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{code}m{text}\x1b[0m" if wants else text
