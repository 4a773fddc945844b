"""How each role looks, in every theme side by side. Data have colour, everything else is grey.

Data colours follow Okabe and Ito's, moved until two that share a chart stay apart for every kind
of colour-blind eye; where they meet they also carry a glyph or a letter, so that no meaning rests
on colour alone. On terminals of 16 colours roles are named colours, and the background is the
terminal's own; without colour, weight carries what it can.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from rich.color import Color
from rich.style import Style

from tui_trainer.core.run_state import RunState

ThemeName = Literal["dark", "light", "named", "mono"]
THEME_NAMES: tuple[ThemeName, ...] = get_args(ThemeName)


class Look(NamedTuple):
    """A role's style in each theme, as Rich writes styles."""

    dark: str
    light: str
    named: str
    mono: str


BACKGROUND = Look("#101214", "#fafaf8", "default", "default")
_TEXT = Look("#d4d7da", "#2b2f33", "default", "default")
_BRIGHT = Look("#f2f4f5", "#0c0e10", "default", "default")
_STRONG = Look("bold #f2f4f5", "bold #0c0e10", "bold default", "bold")
_QUIET = Look("#8b9197", "#5c6369", "bright_black", "dim")
_FAINT = Look("#7b8289", "#6c7379", "bright_black", "dim")
_LINE = Look("#34393e", "#cfd3d6", "bright_black", "dim")
_MARK = Look("#454b51", "#bcc1c5", "bright_black", "dim")
_BLUE = Look("#46bdfe", "#116daf", "bright_blue", "default")
_ORANGE = Look("#ed9e0c", "#c17a23", "yellow", "bold")
_GREEN = Look("#56b580", "#089868", "green", "bold")
_RED = Look("bold #f0744a", "bold #ad3809", "bold red", "bold reverse")
_YELLOW = Look("#f4e22d", "#8f7e00", "bright_yellow", "default")
_PINK = Look("#c88ec3", "#aa437f", "magenta", "bold")

LOOKS: dict[str, Look] = {
    "": _TEXT,
    "text": _TEXT,
    "value": _BRIGHT,
    "strong": _STRONG,
    "quiet": _QUIET,
    "faint": _FAINT,
    "line": _LINE,
    "axis": _QUIET,
    "mark": _MARK,
    "mark_label": _QUIET,
    "key": _STRONG,
    "good": Look("#56b580", "#03704c", "green", "default"),
    "warning": Look("#f4e22d", "#6f6100", "yellow", "bold"),
    "error": _RED,
    "non_finite": _RED,
    "train": _BLUE,
    "train_raw": Look("#215a78", "#a9cbe2", "bright_black", "dim"),
    "validation": _ORANGE,
    "test": _PINK,
    "throughput": _PINK,
    "throughput_raw": Look("#4f3a4f", "#dcc0d0", "bright_black", "dim"),
    "cursor": _BRIGHT,
    "branch": Look("#565c62", "#a6acb1", "bright_black", "dim"),
    "lr": _YELLOW,
    "grad_norm": _GREEN,
    "grad_norm_raw": Look("#2a5640", "#a6d8c5", "bright_black", "dim"),
    "reserved": _BLUE,
    "allocated": _GREEN,
    "peak": _QUIET,
    "used": _PINK,
    "device_process": _YELLOW,
    "limit": Look("#ea6231", "#c34513", "red", "bold"),
    "process": _BLUE,
    "load": _ORANGE,
    "bar": _BLUE,
    "bar_rest": _MARK,
    # Added to any of the above on the cursor's line.
    "selected": Look(
        "bold on #23282d", "bold on #e3e8ec", "not dim default reverse", "not dim reverse"
    ),
    "run0": _BLUE,
    "run1": _ORANGE,
    "run2": _GREEN,
    "run3": Look("#ea6231", "#c34513", "red", "default"),
    "run4": _PINK,
    "run5": Look("#f4e22d", "#a76ef8", "bright_yellow", "bold"),
    "run6": Look("#6cf6fb", "#282fc2", "cyan", "default"),
    "run7": Look("#6d5cf6", "#44267d", "bright_red", "default"),
    "run8": Look("#abda9b", "#8f2b0d", "bright_green", "bold"),
    "run9": Look("#a15e9c", "#632241", "bright_magenta", "default"),
}
RUN_ROLES = tuple(f"run{number}" for number in range(10))
"""Roles that tell runs apart; `bandN` is the dimmer sibling of `runN`."""

_BAND_SHARE = 0.4
_HEX = ("dark", "light")


def _mix(over: str, under: str, share: float) -> str:
    """The colour that `over` makes on `under` where it covers so much of it."""
    parts = zip(Color.parse(over).get_truecolor(), Color.parse(under).get_truecolor(), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def _band_of(look: Look) -> Look:
    dark, light = (
        _mix(getattr(look, theme), getattr(BACKGROUND, theme), _BAND_SHARE) for theme in _HEX
    )
    return Look(dark, light, f"dim {look.named}", "dim")


LOOKS |= {role.replace("run", "band"): _band_of(LOOKS[role]) for role in RUN_ROLES}


def run_roles(uuids: Sequence[str]) -> tuple[str, ...]:
    """A role for each run: its own everywhere, unless one before it in the list has that already.

    More runs than there are roles share them.
    """
    taken: list[int] = []
    for position, uuid in enumerate(uuids):
        if position % len(RUN_ROLES) == 0:
            free = set(range(len(RUN_ROLES)))
        number = zlib.crc32(uuid.encode("utf-8", "surrogatepass")) % len(RUN_ROLES)
        while number not in free:
            number = (number + 1) % len(RUN_ROLES)
        free.remove(number)
        taken.append(number)
    return tuple(RUN_ROLES[number] for number in taken)


def color_of(role: str, theme: Literal["dark", "light"]) -> str:
    """The role's colour as `#rrggbb`, for pictures."""
    color = Style.parse(getattr(LOOKS[role], theme)).color
    assert color is not None and color.triplet is not None
    return color.triplet.hex


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


# A process has one screen.
_shown: ThemeName = "dark"


def show_in(theme: ThemeName) -> None:
    """Let `style_of` answer for this theme from now on."""
    global _shown
    _shown = theme


def style_of(role: str, base: Style) -> Style:
    """How text of `role` looks on a widget whose own style is `base`.

    A role that ends in ` selected` is the role before it, on the cursor's line.
    """
    return style_in(_shown, role, base)


@lru_cache(2048)
def style_in(theme: ThemeName, role: str, base: Style) -> Style:
    """How text of `role` looks in a theme, on a widget whose own style is `base`."""
    name, _, selected = role.partition(" ")
    style = base + Style.parse(getattr(LOOKS.get(name, LOOKS[""]), theme))
    return style + Style.parse(getattr(LOOKS["selected"], theme)) if selected else style
