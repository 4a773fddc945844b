"""The sanitiser before any terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.text_safety import sanitize, sanitize_lines

_SEQUENCES = [
    "\x1b", "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://a\x1b\\", "\x1bP1$q", "\x9b2J",
    "\x9d0;t\x9c",
]  # fmt: skip
_CHARACTERS = "\x07\r\n\t\x85[]\\m;\u2028\u202e\u2066\u061c\u200b\ud800\udfff\ufeff\U000e0041"
_HOSTILE = st.sampled_from([*_SEQUENCES, *_CHARACTERS])
_ANY_TEXT = st.lists(st.one_of(st.text(st.characters(codec=None)), _HOSTILE)).map("".join)
_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_MARKS = {"\u061c", "\u200e", "\u200f"}


def _is_unsafe(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _BIDI
        or character in _MARKS
    )


@given(_ANY_TEXT)
def test_nothing_a_terminal_would_obey_comes_out(text: str) -> None:
    assert not [character for character in sanitize(text) if _is_unsafe(character)]


@given(_ANY_TEXT)
def test_sanitizing_twice_changes_nothing_more(text: str) -> None:
    assert sanitize(sanitize(text)) == sanitize(text)
    assert sanitize_lines(sanitize_lines(text)) == sanitize_lines(text)


@given(_ANY_TEXT)
def test_lines_are_kept_and_each_is_safe(text: str) -> None:
    lines = sanitize_lines(text).split("\n")
    assert not [c for line in lines for c in line if _is_unsafe(c)]
    assert len(lines) == text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1


def test_no_character_at_all_is_unsafe_after() -> None:
    every = map(chr, range(0x110000))
    assert not [character for character in map(sanitize, every) if any(map(_is_unsafe, character))]


@pytest.mark.parametrize(
    "text",
    ["", "plain text", "Grüße, 手書き数字 ×÷ 🙂", "[bold]not markup[/]", "C:\\a\\b ~/c", "مرحبا"],
)
def test_plain_text_is_unchanged(text: str) -> None:
    assert sanitize(text) == text
    assert sanitize_lines(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\x1b[31mred\x1b[0mb", "aredb"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPsixel\x1b\\b", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\tb\nc\r\nd\re", "a b c d e"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\ud800b", "ab"),
    ],
)
def test_escape_sequences_go_whole(text: str, safe: str) -> None:
    assert sanitize(text) == safe


def test_long_text_is_cut() -> None:
    assert sanitize("x" * 100, limit=10) == "x" * 10
    assert len(sanitize("x" * 1_000_000)) == 10_000
    assert len(sanitize_lines("x\n" * 100, limit=10)) <= 10


def test_a_long_run_of_half_sequences_takes_no_quadratic_time() -> None:
    assert sanitize_lines("\x1b]" * 400_000) == ""
    assert sanitize("\x1bP" * 400_000, limit=1_000_000) == ""
