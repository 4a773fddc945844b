"""The dashboard in a real terminal, on a run that trains at that moment."""

from __future__ import annotations

import re
import signal

import pytest

from tests.command import Home, Terminal, wait_until

LONG = ("train", "digits", "--epochs", "100000")


def step_shown(terminal: Terminal) -> int:
    """The step in the header."""
    found = re.search(r"step +([\d ]+)/", terminal.text)
    assert found is not None, terminal.text
    return int(found[1].replace(" ", ""))


def requests(home: Home) -> list[tuple[str, float | None]]:
    """What was asked of the run and obeyed, and the learning rates that were set."""
    return [
        (event["request"], event["arguments"].get("lr")) for event in home.events("control_applied")
    ]


def test_a_dashboard_that_is_told_to_end_gives_the_terminal_back(empty_home: Home) -> None:
    dashboard = empty_home.open("dashboard")
    dashboard.wait_for("no runs here yet")
    dashboard.process.kill(signal.SIGTERM)
    assert dashboard.finish() == 0
    for mode in (b"\x1b[?1049", b"\x1b[?1000", b"\x1b[?1006"):
        assert dashboard.raw.rfind(mode + b"l") > dashboard.raw.rfind(mode + b"h") >= 0
    assert dashboard.raw.rfind(b"\x1b[?25h") > dashboard.raw.rfind(b"\x1b[?25l")


@pytest.mark.slow
def test_a_run_is_attached_to_steered_left_by_force_and_stopped(home: Home) -> None:
    home.do(*LONG, "--detach", "--name", "night")
    first = home.open("dashboard", "night")
    first.wait_for("night", "● running", r"loss +train ~?\d\.\d+", "host memory")

    # The cursor reads a step, a zoom shows less of the axis, and whole shows all again.
    first.send("\x1b[D")
    first.wait_for(r"train \S+ ~\S+ ", r"step \d[\d ]* +│")
    first.send("zz")
    first.wait_for("following|zoomed")
    first.send("0")
    first.wait_for(r"log y · step\b")

    first.send(" ")
    first.wait_for("‖ paused", r"paused the run at step")
    paused_at = step_shown(first)
    first.send(" ")
    first.wait_for("● running", "let the run go on")
    wait_until(lambda: first.read() and step_shown(first) > paused_at, "further steps")

    first.send("l")
    # The words beside the entry: the footer and a chart name the learning rate as well.
    first.wait_for("a number, x0.5 or /2")
    first.send("\x15x0.5\r")
    first.wait_for(r"set lr \S+→\S+")
    lr = requests(home)[-1][1]
    assert lr is not None and lr > 0

    first.process.kill(signal.SIGKILL)
    assert home.state() == "running"

    second = home.open("dashboard", "night")
    second.wait_for("● running", "paused the run", r"set lr \S+→\S+")
    second.send("c")
    second.wait_for("checkpoint +step")
    second.send("s")
    second.wait_for("press s again to stop run1")
    second.send("s")
    second.wait_for("■ stopped", "next +r tuitrain resume run1")
    assert [name for name, _ in requests(home)] == [
        "pause", "continue", "set", "checkpoint", "stop",
    ]  # fmt: skip

    # What was stopped goes on from the dashboard too, and outlives it.
    second.send("r")
    second.wait_for("press r again to")
    second.send("r")
    second.wait_for("● running", "resumed +from step")
    second.send("q")
    second.wait_for("1 run · 1 live")
    second.send("q")
    assert second.finish() == 0
    assert home.state() == "running"


def test_every_page_of_a_live_run_has_something_to_show(home: Home) -> None:
    home.do(*LONG, "--detach")
    dashboard = home.open("dashboard", "1", rows=50, columns=160)
    dashboard.wait_for("● running")
    pages = {
        "2": ("learning rate", "gradient norm", "samples/s"),
        "3": ("nothing to report", "events"),
        "4": ("worker log",),
        "5": ("configuration · data", "tuitrain train digits"),
        "1": ("accuracy", "events"),
    }
    for key, texts in pages.items():
        dashboard.send(key)
        dashboard.wait_for(*texts)
    dashboard.send("\x03")
    assert dashboard.finish() == 0


def test_one_frame_is_printed_for_scripts_and_screen_readers(home: Home) -> None:
    home.do("train", "digits", "--epochs", "3", "--name", "short")
    frame = home.do("dashboard", "--once", "short")
    assert "short" in frame and "✓ finished" in frame and "test accuracy" in frame
    assert "\x1b" not in frame
    assert "run1 short" in home.do("dashboard", "--once")
