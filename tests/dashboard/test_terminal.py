"""What terminals are taken to be able to show."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from tui_trainer.core.canvas import Span
from tui_trainer.dashboard.palette import STATE_GLYPHS
from tui_trainer.dashboard.terminal import (
    _TO_ASCII,
    _TO_CONSOLE,
    Glyphs,
    choose_appearance,
    choose_glyphs,
    choose_theme,
    is_on_consoles,
    show_with,
    showable,
)
from tui_trainer.dashboard.widgets.lines import strip_of


@pytest.mark.parametrize(
    ("environ", "encoding", "expected"),
    [
        ({}, "utf-8", "braille"),
        ({"LANG": "en_GB.UTF-8", "TERM": "xterm-256color"}, "UTF-8", "braille"),
        ({"LC_CTYPE": "UTF-8"}, "utf-8", "braille"),
        ({"LANG": "de_DE.utf8@euro"}, "utf8", "braille"),
        ({"LANG": "de_DE"}, "iso8859-1", "ascii"),
        ({"LANG": "de_DE.ISO-8859-15@euro"}, "utf-8", "ascii"),
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, "utf-8", "ascii"),
        ({"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}, "utf-8", "braille"),
        ({"LANG": "POSIX"}, "utf-8", "ascii"),
        ({}, "ANSI_X3.4-1968", "ascii"),
        ({}, "", "ascii"),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "utf-8", "blocks"),
        ({"LANG": "C", "TERM": "linux"}, "ascii", "ascii"),
        ({"TUITRAIN_GLYPHS": "blocks", "LC_ALL": "C"}, "ascii", "blocks"),
        ({"TUITRAIN_GLYPHS": "Braille", "TERM": "linux"}, "ascii", "braille"),
        ({"TUITRAIN_GLYPHS": "ascii"}, "utf-8", "ascii"),
        ({"TUITRAIN_GLYPHS": "pretty"}, "utf-8", "braille"),
    ],
)
def test_characters_go_by_locale_and_terminal(
    environ: dict[str, str], encoding: str, expected: str
) -> None:
    assert choose_glyphs(environ, encoding) == expected


@pytest.mark.parametrize(
    ("environ", "remembered", "expected"),
    [
        ({"TERM": "xterm-256color"}, "", "dark"),
        ({"TERM": "xterm-256color"}, "light", "light"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "", "light"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;default;15"}, "", "light"),
        ({"TERM": "xterm-256color", "COLORFGBG": "15;0"}, "", "dark"),
        ({"TERM": "xterm-256color", "COLORFGBG": "15;default"}, "", "dark"),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "dark", "dark"),
        ({"TERM": "xterm-kitty"}, "", "dark"),
        ({"TERM": "tmux-direct"}, "", "dark"),
        ({"TERM": "foot"}, "", "dark"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "", "dark"),
        ({"TERM": "xterm"}, "light", "named"),
        ({"TERM": "screen"}, "", "named"),
        ({"TERM": "linux"}, "", "named"),
        ({"TERM": "xterm-16color"}, "", "named"),
        ({"TERM": "linux", "TEXTUAL_COLOR_SYSTEM": "truecolor"}, "", "dark"),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "standard"}, "", "named"),
        ({"TERM": "vt100"}, "light", "mono"),
        ({"TERM": "vt220"}, "", "mono"),
        ({"TERM": "dumb"}, "", "mono"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "light", "mono"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "light", "light"),
    ],
)
def test_colours_go_by_the_terminal_and_by_what_was_chosen(
    environ: dict[str, str], remembered: str, expected: str
) -> None:
    assert choose_theme(environ, remembered) == expected
    appearance = choose_appearance(environ, "utf-8", remembered)
    assert appearance.theme == expected and appearance.glyphs == choose_glyphs(environ, "utf-8")


def fits(text: str, glyphs: Glyphs) -> bool:
    return text.isascii() or (glyphs == "blocks" and all(map(is_on_consoles, text)))


@pytest.fixture(params=["blocks", "ascii"])
def glyphs(request: pytest.FixtureRequest) -> object:
    show_with(request.param)
    yield request.param
    show_with("braille")


def test_a_good_terminal_is_shown_everything_as_it_is() -> None:
    assert showable("● ⠣⢄ ▰▱ 漢字") == "● ⠣⢄ ▰▱ 漢字"


def test_every_replacement_is_one_cell_that_the_terminal_has() -> None:
    for table, kind in ((_TO_ASCII, "ascii"), (_TO_CONSOLE, "blocks")):
        for character, replacement in table.items():
            assert cell_len(character) == cell_len(replacement) == 1
            assert fits(replacement, "ascii" if kind == "ascii" else "blocks"), character


def test_states_stay_apart_and_curves_keep_their_shape(glyphs: Glyphs) -> None:
    states = [showable(glyph) for glyph in STATE_GLYPHS.values()]
    assert len(set(states)) == len(states)
    assert "?" not in states[:-1]
    shown = showable("⠉⣀⡇⢸⣿⠀")
    assert shown == ("▀▄▌▐█ " if glyphs == "blocks" else "'.||: ")


@given(st.text())
@pytest.mark.parametrize("kind", ["blocks", "ascii"])
def test_any_text_becomes_as_many_cells_that_the_terminal_has(kind: Glyphs, text: str) -> None:
    show_with(kind)
    try:
        shown = showable(text)
        assert fits(shown.replace("\x00", ""), kind)
        assert cell_len(shown) == cell_len(text)
        strip = strip_of((Span(text, "value"),), 12, Style())
        assert sum(cell_len(segment.text) for segment in strip) == strip.cell_length == 12
    finally:
        show_with("braille")


def test_all_kinds_of_glyphs_are_tried_here() -> None:
    assert set(get_args(Glyphs)) == {"braille", "blocks", "ascii"}
