"""What a worker printed, as it would stand on a terminal."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_trainer.core.console import KEPT_LINES, LINE_CELLS, SCREEN_LINES, Console

# Pieces that mean something to a terminal, so that examples are not noise alone.
_PIECES = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b"\b", b"\t", b"\x0b", b"\x1b", b"\x1b[", b"\x1b[K", b"\x1b[1K",
        b"\x1b[2K", b"\x1b[J", b"\x1b[1J", b"\x1b[2J", b"\x1b[A", b"\x1b[3B", b"\x1b[5C",
        b"\x1b[2D", b"\x1b[7G", b"\x1b[H", b"\x1b[4;9H", b"\x1b[?25l", b"\x1b[38;5;1m", b"\x1b]0;t",
        b"\x07", b"\x1b\\", b"\x1bP1", b"\x1b[" + b"1" * 70 + b"C", b"\xc2\x9b2K", b"\xc2\x85",
        "漢字".encode(), "e\u0301".encode(), "█▉".encode(), "🙂".encode(), b"\xe6\xbc", b"\xff",
        "\u202e".encode(), b"a" * (LINE_CELLS + 5), "漢".encode() * LINE_CELLS, b"text ",
    ]
)  # fmt: skip
_CONTENT = st.lists(_PIECES | st.binary(max_size=6), max_size=30).map(b"".join)


def lines_of(*contents: bytes) -> tuple[str, ...]:
    console = Console()
    for content in contents:
        console.feed(content)
    return console.lines


@settings(max_examples=150, deadline=None)
@given(_CONTENT, st.data())
def test_where_output_is_cut_changes_nothing(content: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=8).map(sorted))
    parts = [content[start:end] for start, end in pairwise([0, *cuts, len(content)])]
    assert lines_of(*parts) == lines_of(content)
    assert lines_of(*(bytes([byte]) for byte in content)) == lines_of(content)


@settings(max_examples=150, deadline=None)
@given(_CONTENT)
def test_nothing_that_a_terminal_would_obey_comes_out(content: bytes) -> None:
    for line in lines_of(content):
        for char in line:
            assert char >= " " and not "\x7f" <= char <= "\x9f"
            assert char not in "\u2028\u2029\u202a\u202e\u2066\u2069\u200b\ufeff"


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        (b"", []),
        (b"one\ntwo\r\nthree", ["one", "two", "three"]),
        (b"  5%\r 50%\r100%\ndone\n", ["100%", "done"]),
        (b"longer\rnew", ["newger"]),
        (b"longer\r\x1b[Knew", ["new"]),
        (b"abc\b\bX", ["aXc"]),
        (b"a\tb\t\tc", ["a       b               c"]),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07after", ["red after"]),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        (b"one\ntwo\n\x1b[2A\x1b[2KONE\n\x1b[Bend", ["ONE", "two", "end"]),
        (b"a\nb\nc\x1b[2F\x1b[Jz", ["z"]),
        (b"abcdef\x1b[3D\x1b[1K", ["    ef"]),
        (b"abc\x1b[10Gx\x1b[2Cy", ["abc      x  y"]),
        (b"\x1b[2;3Hx", ["", "  x"]),
        ("漢字\rx".encode(), ["x 字"]),
        ("漢字\x1b[3Dx".encode(), [" x字"]),
        ("e\u0301a\rb".encode(), ["ba"]),
        (b"\xe6\xbc\xa2 \xff", ["漢 \ufffd"]),
        (b"blank after\n\n\n", ["blank after"]),
    ],
)
def test_output_stands_as_on_a_terminal(printed: bytes, lines: list[str]) -> None:
    assert list(lines_of(printed)) == lines


def test_nested_bars_stay_where_they_are() -> None:
    bars = b""
    for step in range(50):
        bars += b"\router %d\n\rinner %d\x1b[A" % (step // 10, step)
    assert lines_of(bars) == ("outer 4", "inner 49")


def test_a_cleared_screen_loses_nothing() -> None:
    frames = b"".join(b"\x1b[H\x1b[2Jframe %d\nend" % number for number in range(3))
    assert lines_of(frames) == ("frame 0", "end", "frame 1", "end", "frame 2", "end")


def test_a_frame_drawn_over_itself_is_one_frame() -> None:
    frames = b"".join(b"\x1b[Hframe %d\nend" % number for number in range(3))
    assert lines_of(frames) == ("frame 2", "end")


def test_the_cursor_never_leaves_the_last_screen() -> None:
    lines = b"".join(b"line %d\n" % number for number in range(100))
    shown = lines_of(lines + b"\x1b[999A\x1b[2Ktop")
    assert shown[100 - SCREEN_LINES + 1] == "top"
    assert shown[: 100 - SCREEN_LINES] == tuple(f"line {n}" for n in range(100 - SCREEN_LINES))
    assert lines_of(b"\x1b[999999B\x1b[3Cx") == ("",) * (SCREEN_LINES - 1) + ("   x",)


def test_only_the_last_lines_are_kept() -> None:
    console = Console()
    console.feed(b"first\n")
    assert not console.has_dropped
    for number in range(4 * KEPT_LINES):
        console.feed(b"%d\n" % number)
    assert console.has_dropped
    assert len(console._lines) < 2 * KEPT_LINES
    assert len(console.lines) == KEPT_LINES - 1
    assert console.lines[-1] == str(4 * KEPT_LINES - 1)


def test_a_line_without_end_is_cut() -> None:
    console = Console()
    for _ in range(50):
        console.feed(b"x" * (LINE_CELLS - 1) + "e\u0301".encode() * 1000 + b"\x1b[" + b"1" * 1000)
    assert cell_len(console.lines[0]) == LINE_CELLS
    assert len(console.lines[0]) < LINE_CELLS + 8
    assert len(console._unfinished) < 100
