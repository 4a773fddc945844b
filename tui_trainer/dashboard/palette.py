"""The colour of each role. Data have colour, everything else is grey.

Data colours are Okabe and Ito's, which colour-blind eyes tell apart; where two curves share a
chart they also differ in brightness or carry a glyph, so that no meaning rests on colour alone.
"""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

from tui_trainer.core.run_state import RunState

BACKGROUND = "#101214"
_TEXT, _QUIET, _FAINT, _LINE = "#d4d7da", "#8b9197", "#5b6167", "#34393e"
_BLUE, _ORANGE, _GREEN, _RED = "#56b4e9", "#e69f00", "#2fc39a", "#f0703c"
_YELLOW, _PINK = "#f0e442", "#d98cb3"

THEME = Theme(
    name="tuitrain",
    primary=_BLUE,
    foreground=_TEXT,
    background=BACKGROUND,
    surface=BACKGROUND,
    panel=BACKGROUND,
    dark=True,
)

_ROLES: dict[str, Style] = {
    "": Style(color=_TEXT),
    "text": Style(color=_TEXT),
    "value": Style(color="#f2f4f5"),
    "strong": Style(color="#f2f4f5", bold=True),
    "quiet": Style(color=_QUIET),
    "faint": Style(color=_FAINT),
    "line": Style(color=_LINE),
    "axis": Style(color=_QUIET),
    "mark": Style(color="#454b51"),
    "mark_label": Style(color=_QUIET),
    "key": Style(color="#f2f4f5", bold=True),
    "good": Style(color=_GREEN),
    "warning": Style(color=_YELLOW),
    "error": Style(color=_RED, bold=True),
    "non_finite": Style(color=_RED, bold=True),
    "train": Style(color=_BLUE),
    "train_raw": Style(color="#27506a"),
    "validation": Style(color=_ORANGE),
    "test": Style(color=_PINK),
    "branch": Style(color="#4a4f55"),
    "lr": Style(color=_YELLOW),
    "grad_norm": Style(color=_GREEN),
    "grad_norm_raw": Style(color="#1d5b4a"),
    "reserved": Style(color=_BLUE),
    "allocated": Style(color=_GREEN),
    "peak": Style(color=_QUIET),
    "used": Style(color=_PINK),
    "limit": Style(color=_RED),
    "process": Style(color=_BLUE),
    "load": Style(color=_ORANGE),
    "bar": Style(color=_BLUE),
    "bar_rest": Style(color="#454b51"),
}

STATE_GLYPHS = {
    RunState.STARTING: "◌",
    RunState.RUNNING: "●",
    RunState.PAUSED: "‖",
    RunState.STOPPING: "◑",
    RunState.FINISHED: "✓",
    RunState.STOPPED: "■",
    RunState.FAILED: "✗",
    RunState.INTERRUPTED: "⊘",
    RunState.UNKNOWN: "?",
}
_STATE_ROLES = {
    RunState.STARTING: "train",
    RunState.RUNNING: "good",
    RunState.PAUSED: "warning",
    RunState.STOPPING: "warning",
    RunState.FINISHED: "text",
    RunState.STOPPED: "quiet",
    RunState.FAILED: "error",
    RunState.INTERRUPTED: "error",
    RunState.UNKNOWN: "warning",
}
STATE_WIDTH = 2 + max(len(state.value) for state in RunState)
"""Cells that the longest state takes with its glyph."""


def state_text(state: RunState) -> str:
    """The state as its glyph and its word."""
    return f"{STATE_GLYPHS[state]} {state.value}"


def state_role(state: RunState) -> str:
    """The role that colours a state."""
    return _STATE_ROLES[state]


@lru_cache(512)
def style_of(role: str, base: Style) -> Style:
    """How text of `role` looks on a widget whose own style is `base`.

    A role that ends in ` selected` is the role before it, on the cursor's line.
    """
    name, _, selected = role.partition(" ")
    style = base + _ROLES.get(name, _ROLES[""])
    return style + Style(bgcolor="#23282d", bold=True) if selected else style
