"""Our themes for Textual's own parts: the background, scroll bars, text entries."""

from __future__ import annotations

from typing import Literal

from textual.theme import BUILTIN_THEMES, Theme

from tui_trainer.dashboard.palette import BACKGROUND, LOOKS, ThemeName


def _true_color(name: Literal["dark", "light"]) -> Theme:
    color = {role: str(getattr(LOOKS[role], name)) for role in ("text", "line", "faint", "train")}
    background = str(getattr(BACKGROUND, name))
    return Theme(
        name=f"tuitrain-{name}",
        primary=color["train"],
        foreground=color["text"],
        background=background,
        surface=background,
        panel=background,
        dark=name == "dark",
        variables=_scrollbar(background, color["line"], color["faint"]),
    )


def _terminal_color(name: Literal["named", "mono"]) -> Theme:
    """The terminal's own colours, as Textual's theme for them has them."""
    default = "ansi_default"
    return Theme(
        name=f"tuitrain-{name}",
        ansi=True,
        primary="ansi_blue" if name == "named" else default,
        foreground=default,
        background=default,
        surface=default,
        panel=default,
        boost=default,
        variables=BUILTIN_THEMES["ansi-dark"].variables
        | _scrollbar(default, "ansi_bright_black", "ansi_white"),
    )


def _scrollbar(background: str, thumb: str, held_thumb: str) -> dict[str, str]:
    return {
        "scrollbar": thumb,
        "scrollbar-hover": held_thumb,
        "scrollbar-active": held_thumb,
        "scrollbar-background": background,
        "scrollbar-background-hover": background,
        "scrollbar-background-active": background,
    }


THEMES: dict[ThemeName, Theme] = {
    "dark": _true_color("dark"),
    "light": _true_color("light"),
    "named": _terminal_color("named"),
    "mono": _terminal_color("mono"),
}
