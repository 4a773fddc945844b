"""What a worker printed, as it would stand on a terminal.

A progress bar that is drawn over itself stays one line, and nothing comes out that a terminal
would obey. Lines are as long as what was printed, up to a limit; nothing is wrapped here.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from rich.cells import get_character_cell_size

from tui_trainer.core.text_safety import sanitize

KEPT_LINES = 2000
SCREEN_LINES = 24
"""How far up from the last line a program can go back."""
LINE_CELLS = 1000
_CHARACTERS_PER_CELL = 4
_TAB_CELLS = 8
_TRIM_EVERY = 1000

_CONTROLS = "\x00-\x1f\x7f-\x9f"
_TOKEN = re.compile(
    rf"(?P<text>[^{_CONTROLS}]+)"
    r"|(?P<command>(?:\x1b\[|\x9b)(?P<parameters>[0-?]{0,64})[ -/]{0,8}(?P<final>[@-~])?)"
    rf"|(?P<string>(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^{_CONTROLS}]*)"
    r"|(?P<escape>\x1b[ -/]{0,8}(?P<end>[0-~])?)"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
_STRING_REST = re.compile(rf"[^{_CONTROLS}]*")
_NARROW = re.compile("[ -~\xa0-\xac\xae-\u02ff\u0370-\u0482\u2500-\u25fc\u2800-\u28ff]*")
"""Text of which every character takes one cell."""


@dataclass(frozen=True)
class ConsoleText:
    """The last lines of what was printed; `is_cut` where there were others before them.

    `problem` says why it could not be read, where it could not.
    """

    lines: tuple[str, ...] = ()
    is_cut: bool = False
    problem: str = ""


class Console:
    """A terminal without a width that remembers its last lines."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._unfinished = ""
        self._is_in_string = False
        self._lines = [""]
        self._has_dropped = False
        self._top, self._row, self._column = 0, 0, 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines, safe to print, without blank ones at the end."""
        lines = [line.rstrip() for line in self._lines[-KEPT_LINES:]]
        while lines and not lines[-1]:
            lines.pop()
        return tuple(lines)

    @property
    def has_dropped(self) -> bool:
        """Whether lines went because newer ones came."""
        return self._has_dropped or len(self._lines) > KEPT_LINES

    def feed(self, content: bytes) -> None:
        """Take what was printed next; it may be cut anywhere."""
        text = self._unfinished + self._decode(content)
        self._unfinished = ""
        start = 0
        if self._is_in_string:
            start = _end_of_string(text, 0)
            self._is_in_string = start == len(text)
        for token in _TOKEN.finditer(text, start):
            if token.end() == len(text) and _is_unfinished(token):
                self._unfinished = token[0]
                return
            self._obey(token)
            self._is_in_string = token.lastgroup == "string" and token.end() == len(text)

    def _obey(self, token: re.Match[str]) -> None:
        if token["text"]:
            self._write(sanitize(token[0], limit=len(token[0])))
        elif token["control"]:
            self._obey_control(token[0])
        elif token["final"]:
            self._obey_command(token["final"], token["parameters"])

    def _obey_control(self, control: str) -> None:
        match control:
            case "\n" | "\v" | "\f" | "\x85":
                self._end_line()
            case "\r":
                self._column = 0
            case "\b":
                self._column = max(0, self._column - 1)
            case "\t":
                self._go_to_column(self._column - self._column % _TAB_CELLS + _TAB_CELLS)

    def _obey_command(self, final: str, parameters: str) -> None:
        numbers = [int(part) if part.isdecimal() else 0 for part in parameters.split(";")]
        count = max(1, numbers[0])
        if parameters[:1] in ("?", "<", "=", ">"):
            return  # settings of a real terminal
        match final:
            case "A" | "F":
                self._go_to_row(self._row - count)
            case "B" | "E":
                self._go_to_row(self._row + count)
            case "C":
                self._go_to_column(self._column + count)
            case "D":
                self._go_to_column(self._column - count)
            case "G":
                self._go_to_column(count - 1)
            case "H" | "f":
                self._go_to_row(self._top + count - 1)
                self._go_to_column(max(1, *numbers[1:2], 1) - 1)
            case "J":
                self._erase_in_screen(numbers[0])
            case "K":
                self._erase_in_line(numbers[0])
        if final in "EF":
            self._column = 0

    def _end_line(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._lines):
            self._lines.append("")
            self._top = max(self._top, len(self._lines) - SCREEN_LINES)
            self._forget()

    def _forget(self) -> None:
        gone = len(self._lines) - KEPT_LINES
        if gone >= _TRIM_EVERY:
            del self._lines[:gone]
            self._has_dropped = True
            self._row, self._top = self._row - gone, self._top - gone

    def _go_to_row(self, row: int) -> None:
        self._row = min(max(self._top, row), self._top + SCREEN_LINES - 1)
        while len(self._lines) <= self._row:
            self._lines.append("")

    def _go_to_column(self, column: int) -> None:
        self._column = min(max(0, column), LINE_CELLS)

    def _erase_in_line(self, part: int) -> None:
        """From the cursor on, up to it, or all."""
        cells = _split_cells(self._lines[self._row])
        if part == 0:
            _free(cells, self._column)
            del cells[self._column :]
        elif part == 1:
            _free(cells, self._column + 1)
            cells[: self._column + 1] = [" "] * min(len(cells), self._column + 1)
        elif part == 2:
            cells = []
        self._lines[self._row] = "".join(cells)

    def _erase_in_screen(self, part: int) -> None:
        if part == 0:
            self._erase_in_line(0)
            del self._lines[self._row + 1 :]
        elif part == 1:
            self._erase_in_line(1)
            for row in range(self._top, self._row):
                self._lines[row] = ""
        elif part == 2:
            self._begin_screen()

    def _begin_screen(self) -> None:
        """A new screen under what was printed: a log loses nothing by being cleared."""
        depth = self._row - self._top
        while len(self._lines) > self._top and not self._lines[-1].rstrip():
            self._lines.pop()
        self._top = len(self._lines)
        self._go_to_row(self._top + depth)
        self._forget()

    def _write(self, text: str) -> None:
        if not text:
            return
        line = self._lines[self._row]
        if _NARROW.fullmatch(text) and _NARROW.fullmatch(line):
            end = self._column + len(text)
            line = line.ljust(self._column)[: self._column] + text + line[end:]
            self._lines[self._row] = line[:LINE_CELLS]
            self._column = min(end, LINE_CELLS)
            return
        cells = _split_cells(line)
        for character in text:
            self._put(cells, character, get_character_cell_size(character))
        self._lines[self._row] = "".join(cells)

    def _put(self, cells: list[str], character: str, size: int) -> None:
        """One character where the cursor is; what finds no room in the line is left out."""
        cells += [" "] * (self._column - len(cells))
        if size < 1:
            _put_mark(cells, self._column, character)
            return
        end = self._column + size
        if end <= LINE_CELLS:
            _free(cells, self._column)
            _free(cells, end)
            cells[self._column : end] = [character, *[""] * (size - 1)]
        self._column = min(end, LINE_CELLS)


def _is_unfinished(token: re.Match[str]) -> bool:
    return bool((token["command"] and not token["final"]) or (token["escape"] and not token["end"]))


def _end_of_string(text: str, start: int) -> int:
    """Where a string that is meant for the terminal itself ends: at any control character."""
    rest = _STRING_REST.match(text, start)
    return rest.end() if rest else start


def _split_cells(line: str) -> list[str]:
    """The line by its cells: a wide character has an empty one after it."""
    if _NARROW.fullmatch(line):
        return list(line)
    cells: list[str] = []
    for character in line:
        size = get_character_cell_size(character)
        if size < 1:
            _put_mark(cells, len(cells), character)
        else:
            cells += [character, *[""] * (size - 1)]
    return cells


def _put_mark(cells: list[str], column: int, mark: str) -> None:
    """Join a combining mark to the character before `column`."""
    place = column - 1
    while place > 0 and not cells[place]:
        place -= 1
    if place >= 0 and len(cells[place]) < _CHARACTERS_PER_CELL:
        cells[place] += mark


def _free(cells: list[str], column: int) -> None:
    """Blank a wide character that lies across the border before `column`."""
    if 0 < column < len(cells) and not cells[column]:
        cells[column - 1 : column + 1] = [" ", " "]
