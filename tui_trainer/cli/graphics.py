"""How this terminal can show a picture: by graphics, coloured half blocks, dots or letters."""

from __future__ import annotations

import fcntl
import shutil
import struct
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tui_trainer.cli.output import result_console
from tui_trainer.core.graphics import Colors

Wanted = Literal["auto", "kitty", "sixel", "blocks"]
Means = Literal["kitty", "sixel", "blocks", "dots", "letters"]
CELL = (10, 20)
"""A cell's width and height in pixels, where the terminal does not tell."""
PIXELS_OF_CELL: dict[Means, tuple[int, int]] = {"blocks": (1, 2), "dots": (2, 4), "letters": (1, 1)}
"""Pixels across and down that a cell shows, where it is characters that show them."""

_COLORS: dict[str | None, Colors] = {"standard": "16", "256": "256", "truecolor": "truecolor"}
# These neither answer nor draw, and some print what they do not know.
_SILENT_TERMS = ("dumb", "unknown", "linux", "vt", "ansi", "cons25")
_SILENT_PROGRAMS = ("Apple_Terminal",)


@dataclass(frozen=True)
class Screen:
    """What a picture is drawn on.

    Attributes:
        colors: None where there are none, or none are wanted.
        cell: A cell's width and height in pixels.
        is_light: Whether the background is known to be light.
    """

    means: Means
    colors: Colors | None
    columns: int
    lines: int
    cell: tuple[int, int] = CELL
    is_light: bool = False

    @property
    def pixels_of_cell(self) -> tuple[int, int]:
        """Pixels across and down that a cell of a picture has."""
        return PIXELS_OF_CELL.get(self.means, self.cell)


def choose_screen(wanted: Wanted, environ: Mapping[str, str]) -> Screen:
    """What standard output is, asking the terminal where that is needed to know."""
    from tui_trainer.cli.terminal_query import Answers, ask_terminal
    from tui_trainer.dashboard.terminal import choose_glyphs, choose_theme

    console = result_console()
    colors = None if console.no_color else _COLORS.get(console.color_system)
    is_asked = sys.stdout.isatty() and wanted != "blocks" and _may_answer(environ)
    # Without colour no picture is drawn unasked, but how large a cell is matters all the same.
    is_asked = is_asked and (colors is not None or wanted != "auto")
    is_nested = bool(environ.get("TMUX")) or environ.get("TERM", "").startswith(("tmux", "screen"))
    answers = ask_terminal(about_kitty=not is_nested) if is_asked else Answers()
    glyphs = choose_glyphs(environ, sys.stdout.encoding or "ascii")
    means: Means
    if wanted in ("kitty", "sixel"):
        means = wanted
    elif wanted == "auto" and answers.has_kitty:
        means = "kitty"
    elif wanted == "auto" and answers.has_sixel:
        means = "sixel"
    elif glyphs == "ascii":
        means = "letters"
    else:
        means = "blocks" if colors else "dots" if glyphs == "braille" else "letters"
    columns, lines = shutil.get_terminal_size()
    is_light = choose_theme(dict(environ) | {"NO_COLOR": "", "COLORTERM": "24bit"}) == "light"
    cell = answers.cell or _cell_by_window() or CELL
    return Screen(means, colors, columns, lines, cell, is_light)


def _may_answer(environ: Mapping[str, str]) -> bool:
    term = environ.get("TERM", "")
    is_known = bool(term) and not term.startswith(_SILENT_TERMS)
    return is_known and environ.get("TERM_PROGRAM", "") not in _SILENT_PROGRAMS


def _cell_by_window() -> tuple[int, int] | None:
    """A cell's size by that of the window, which some terminals report and others leave at 0."""
    try:
        packed = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (OSError, ValueError):
        # It is no terminal.
        return None
    lines, columns, width, height = struct.unpack("4H", packed)
    if not (lines and columns and width and height):
        return None
    return max(1, width // columns), max(1, height // lines)
