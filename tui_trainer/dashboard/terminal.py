"""What a terminal can show, by what its environment says: colours, characters, light or dark.

Characters that it lacks are replaced at the last moment, cell for cell, so that whatever makes
rows need not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from rich.cells import cell_len, set_cell_size

from tui_trainer.dashboard.palette import ThemeName

Glyphs = Literal["braille", "blocks", "ascii"]
GLYPHS_VARIABLE = "TUITRAIN_GLYPHS"


@dataclass(frozen=True)
class Appearance:
    """What suits a terminal and its user."""

    theme: ThemeName = "dark"
    glyphs: Glyphs = "braille"


_LOCALE_VARIABLES = ("LC_ALL", "LC_CTYPE", "LANG")
_WITHOUT_COLOR = ("dumb", "unknown", "vt", "xterm-mono", "ansi-m", "hurd-mono")
_MANY_COLORS = ("256color", "direct", "truecolor", "kitty", "alacritty", "ghostty", "wezterm")
_MANY_COLORS_EXACTLY = ("foot", "contour", "iterm2", "vscode")
_DARK_BACKGROUNDS = frozenset(("0", "1", "2", "3", "4", "5", "6", "8"))


def choose_appearance(
    environ: Mapping[str, str], encoding: str, remembered: str = ""
) -> Appearance:
    """Theme and characters, by the environment and by the theme that was chosen last."""
    return Appearance(choose_theme(environ, remembered), choose_glyphs(environ, encoding))


def choose_glyphs(environ: Mapping[str, str], encoding: str) -> Glyphs:
    """Braille where the locale is UTF-8, blocks on a Linux console, else ASCII.

    `TUITRAIN_GLYPHS=braille|blocks|ascii` decides alone.
    """
    wanted = environ.get(GLYPHS_VARIABLE, "").lower()
    for glyphs in get_args(Glyphs):
        if glyphs == wanted:
            return glyphs  # type: ignore[no-any-return]
    if not _is_utf8(environ, encoding):
        return "ascii"
    return "blocks" if environ.get("TERM") == "linux" else "braille"


def _is_utf8(environ: Mapping[str, str], encoding: str) -> bool:
    """What Python writes, unless the locale names something else: in C it writes UTF-8 unasked."""
    name = next(filter(None, map(environ.get, _LOCALE_VARIABLES)), "")
    codeset = name.partition(".")[2].partition("@")[0]
    if name in ("C", "POSIX") or (codeset and not _names_utf8(codeset)):
        return False
    return _names_utf8(encoding)


def _names_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"


def choose_theme(environ: Mapping[str, str], remembered: str = "") -> ThemeName:
    """`mono` and `named` where the terminal has no more colours; else the remembered theme.

    With nothing remembered, light where `COLORFGBG` tells of a light background.
    """
    if environ.get("NO_COLOR"):
        return "mono"
    if not _has_many_colors(environ):
        return "mono" if environ.get("TERM", "").startswith(_WITHOUT_COLOR) else "named"
    if remembered in ("dark", "light"):
        return "light" if remembered == "light" else "dark"
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if background.isdigit() and background not in _DARK_BACKGROUNDS else "dark"


def _has_many_colors(environ: Mapping[str, str]) -> bool:
    # Textual's own word for what it writes to the terminal.
    told = environ.get("TEXTUAL_COLOR_SYSTEM", "")
    if told in ("256", "truecolor", "standard"):
        return told != "standard"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return True
    term = environ.get("TERM", "")
    return any(word in term for word in _MANY_COLORS) or term in _MANY_COLORS_EXACTLY


_TO_ASCII = {
    "●": "*", "◌": "o", "‖": "=", "◑": "%", "✓": "+", "■": "#", "✗": "x", "⊘": "!", "○": "o",
    "◇": "d", "◆": "D", "◉": "@", "★": "*", "▸": ">", "▹": ">", "◂": "<", "▾": "v", "▴": "^",
    "▲": "^", "▼": "v", "►": ">", "◄": "<", "△": "^", "▽": "v", "→": ">", "←": "<", "↑": "^",
    "↓": "v", "↵": "<", "−": "-", "–": "-", "—": "-", "…": "~", "·": ".", "•": "*", "×": "x",
    "÷": "/", "±": "+", "≤": "<", "≥": ">", "≈": "~", "∞": "8", "σ": "s", "µ": "u", "μ": "u",
    "°": "o", "Δ": "d", "∆": "d", "²": "2", "³": "3", "“": '"', "”": '"', "‘": "'", "’": "'",
    "▰": "#", "▱": ".", "█": "#", "▓": "#", "▒": ":", "░": ".", "▔": "-", "▁": "_", "▂": "_",
    "▃": ".", "▄": "-", "▅": "-", "▆": "=", "▇": "=", "▀": "'", "▌": "|", "▐": "|", "▏": "|",
    "─": "-", "━": "-", "│": "|", "┃": "|", "┊": ":", "┆": ":", "╎": ":", "┼": "+", "┴": "+",
    "┬": "+", "├": "+", "┤": "+", "┌": "+", "┐": "+", "└": "+", "┘": "+", "╴": "-", "╶": "-",
    "╭": "+", "╮": "+", "╰": "+", "╯": "+",
}  # fmt: skip
# The Linux console's own font has what code page 437 has: among it ●'s small brother and arrows.
_TO_CONSOLE = {
    "●": "•", "◌": "○", "‖": "║", "◑": "◘", "✓": "√", "✗": "x", "⊘": "!", "◇": "♦", "◊": "♦",
    "◆": "♦",
    "▸": "►", "▹": ">", "◂": "◄", "▾": "▼", "▴": "▲", "★": "☼", "−": "-", "–": "-", "—": "─",
    "…": "~", "×": "x", "▰": "█", "▱": "░", "┊": ":", "┆": ":", "╎": ":", "▔": "▀", "▁": "_",
    "▂": "▄", "▃": "▄", "▅": "▄", "▆": "█", "▇": "█", "▏": "▌", "μ": "µ", "Δ": "d", "∆": "d",
    "╭": "┌", "╮": "┐", "╰": "└", "╯": "┘",
}  # fmt: skip
_CONSOLE_SIGNS = frozenset("☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼µ")
_BRAILLE_FIRST, _BRAILLE_LAST = 0x2800, 0x28FF
_TOP, _BOTTOM, _LEFT, _RIGHT = 0b00011011, 0b11100100, 0b01000111, 0b10111000


class _Replacements(dict[int, str]):
    """For `str.translate`: what each character becomes, found when it is first met."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs

    def __missing__(self, code: int) -> str:
        known = chr(code)
        if not known.isascii():
            known = _replacement(known, self._glyphs)
        self[code] = known
        return known


def _replacement(character: str, glyphs: Glyphs) -> str:
    code = ord(character)
    if _BRAILLE_FIRST <= code <= _BRAILLE_LAST:
        return _block_of(code - _BRAILLE_FIRST, glyphs)
    if glyphs == "blocks":
        character = _TO_CONSOLE.get(character, character)
        if is_on_consoles(character):
            return character
    return _TO_ASCII.get(character, "?" * cell_len(character))


def is_on_consoles(character: str) -> bool:
    """Whether the font of a Linux console has it."""
    if character in _CONSOLE_SIGNS:
        return True
    try:
        character.encode("cp437")
    except UnicodeEncodeError:
        return False
    return True


def _block_of(dots: int, glyphs: Glyphs) -> str:
    """Which half of the cell the dots are in, in the characters there are."""
    if not dots:
        return " "
    halves = ((_BOTTOM, "▀'"), (_TOP, "▄."), (_RIGHT, "▌|"), (_LEFT, "▐|"))
    signs = next((signs for other_half, signs in halves if not dots & other_half), "█:")
    return signs[glyphs == "ascii"]


_shown: Glyphs = "braille"
_REPLACEMENTS = {glyphs: _Replacements(glyphs) for glyphs in get_args(Glyphs)}


def show_with(glyphs: Glyphs) -> None:
    """Let `showable` answer for such a terminal from now on."""
    global _shown
    _shown = glyphs


def showable(text: str) -> str:
    """The text in characters that the terminal has, in as many cells."""
    if _shown == "braille" or text.isascii():
        return text
    # Joined characters can be narrower than their parts, which are replaced one by one.
    return set_cell_size(text.translate(_REPLACEMENTS[_shown]), cell_len(text))
