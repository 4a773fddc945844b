"""The command `tuitrain dashboard` beside its screens."""

from __future__ import annotations

import re

import pytest

from tests.command import Home


def test_one_frame_goes_to_a_pipe_without_escape_codes(trained: Home) -> None:
    done = trained.call("dashboard", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "1 run" in lines[0] and "run1" in lines[3] and "baseline" in lines[3]
    assert "\x1b" not in done.stdout
    assert not any(line != line.rstrip() for line in lines)
    run = trained.do("dashboard", "baseline", "--once", "--width", "80", "--height", "24")
    assert len(run.splitlines()) == 24 and "✓ finished" in run
    assert max(map(len, run.splitlines())) <= 80


def test_one_frame_goes_by_the_locale(trained: Home) -> None:
    trained.variables["LC_ALL"] = "C"
    assert trained.do("dashboard", "1", "--once").isascii()
    trained.variables["TUITRAIN_GLYPHS"] = "braille"
    assert "─" in trained.do("dashboard", "1", "--once")


@pytest.mark.journey
def test_on_a_terminal_one_frame_fits_and_has_colours_unless_unwanted(trained: Home) -> None:
    terminal = trained.open("dashboard", "1", "--once", rows=24, columns=90)
    assert terminal.finish() == 0
    assert b"\x1b[" in terminal.raw
    assert b"\x1b[?1049h" not in terminal.raw
    trained.variables["NO_COLOR"] = "1"
    terminal = trained.open("dashboard", "1", "--once", rows=24, columns=90)
    assert terminal.finish() == 0
    assert b"\x1b" not in terminal.raw
    lines = terminal.raw.decode().splitlines()
    assert len(lines) == 24 and max(map(len, lines)) <= 90


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--once", "--serve"], "exclude each other"),
        (["--width", "80"], "Add --once"),
        (["--serve", "--height", "20"], "Add --once"),
        (["--port", "8000"], "Add --serve"),
        (["--serve-control"], "Add --serve"),
        (["--once", "--width", "5"], "--width"),
        (["--serve", "--port", "70000"], "--port"),
        (["--once", "run9"], "run9"),
        (["--serve", "run9"], "run9"),
        ([], "needs a terminal"),
        (["--read-only"], "needs a terminal"),
    ],
)
def test_a_call_that_makes_no_sense_is_an_error_that_says_so(
    home: Home, arguments: list[str], what: str
) -> None:
    done = home.call("dashboard", *arguments)
    assert done.returncode == 2
    assert what in done.stderr and not done.stdout
    assert "Traceback" not in done.stderr


def test_no_address_but_this_machines_own_can_be_served_at(home: Home) -> None:
    text = home.do("dashboard", "--help")
    options = re.findall(r"--[a-z-]+", text)
    assert "--port" in options and not [option for option in options if "host" in option]
