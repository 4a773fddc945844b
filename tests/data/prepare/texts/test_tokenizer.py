"""From texts to tokens and back, and vocabularies that are not what they seem."""

from __future__ import annotations

import copy
import json
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.specs import PADDING_TOKEN, UNKNOWN_TOKEN
from tui_trainer.data.prepare.texts import tokenizer as module
from tui_trainer.data.prepare.texts.tokenizer import (
    Tokenizer,
    WordCounter,
    has_words,
    load_tokenizer,
    split_words,
)
from tui_trainer.errors import DatasetError

# Lone surrogates among them, as JSON can hold them.
_TEXTS = st.text(st.characters(codec=None), max_size=60)


def _count(texts: list[str], size: int = 1000) -> Tokenizer:
    counter = WordCounter(size, 100)
    for text in texts:
        counter.add(text)
    return counter.build()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t STOP, it's 3.14!", ["don't", "stop", ",", "it's", "3", ".", "14", "!"]),
        ("'quoted' o'clock", ["'", "quoted", "'", "o'clock"]),
        ("Straße cafe\u0301", ["strasse", "café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שָׁלוֹם, مَرْحَبًا", ["שָׁלוֹם", ",", "مَرْحَبًا"]),
        ("日本語とTokyo", ["日", "本", "語", "と", "tokyo"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("❤️👍", ["❤", "👍"]),
        ("a\x00b\x1b[31m", ["a", "b", "[", "31m"]),
        ("\u202eabc\u200b \ufeff\ud800", ["abc"]),
    ],
)
def test_words_of_many_languages(text: str, words: list[str]) -> None:
    expected = [unicodedata.normalize("NFC", word) for word in words]
    assert split_words(text, 100) == expected


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_what_finds_words_in_ascii_finds_the_same_ones(text: str) -> None:
    assert split_words(text, 100) == split_words(text + " é", 100)[:-1]


@given(_TEXTS)
def test_form_and_case_make_no_difference(text: str) -> None:
    words = split_words(text, 1000)
    assert split_words(unicodedata.normalize("NFD", text), 1000) == words
    assert split_words(" ".join(words), 1000) == words


@given(_TEXTS, st.integers(1, 20))
def test_a_cut_text_is_the_beginning_of_the_whole(text: str, most: int) -> None:
    assert split_words(text, most) == split_words(text, 10_000)[:most]
    assert has_words(text) == bool(split_words(text, 1))


@given(st.lists(_TEXTS, max_size=5), _TEXTS, st.integers(16, 40))
def test_tokens_lie_within_the_vocabulary(texts: list[str], text: str, size: int) -> None:
    tokenizer = _count(texts, size)
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.int32
    assert tokenizer.vocabulary <= size
    assert all(PADDING_TOKEN < token < tokenizer.vocabulary for token in tokens)
    assert len(tokens) <= tokenizer.max_length


@given(_TEXTS)
def test_known_words_come_back(text: str) -> None:
    tokenizer = _count([text])
    tokens = tokenizer.encode(text)
    assert UNKNOWN_TOKEN not in tokens
    assert tokenizer.decode(tokens) == " ".join(split_words(text, 100))


@given(st.lists(_TEXTS, max_size=4))
def test_a_saved_tokenizer_encodes_alike(texts: list[str]) -> None:
    tokenizer = _count(texts)
    for other in (load_tokenizer(tokenizer.save()), copy.copy(tokenizer)):
        assert other.words == tokenizer.words
        for text in texts:
            assert np.array_equal(other.encode(text), tokenizer.encode(text))


def test_the_most_frequent_words_come_first() -> None:
    tokenizer = _count(["b a b c", "c b a d"], 16)
    assert tokenizer.words == ("<padding>", "<unknown>", "b", "a", "c", "d")
    counter = WordCounter(4, 100)
    counter.add("b a b c c a z")
    assert counter.build().words[2:] == ("a", "b")
    assert tokenizer.encode("a x b").tolist() == [3, UNKNOWN_TOKEN, 2]
    assert tokenizer.decode([3, UNKNOWN_TOKEN, 2, PADDING_TOKEN]) == "a <unknown> b"


def test_words_as_long_as_no_word_is_are_unknown() -> None:
    tokenizer = _count(["short " + "x" * 65])
    assert tokenizer.encode("short " + "x" * 65).tolist() == [2, UNKNOWN_TOKEN]


def test_counting_forgets_the_rarest_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_COUNTED", 100)
    counter = WordCounter(16, 1000)
    generator = np.random.default_rng(0)
    frequent = [f"word{number}" for number in range(10)]
    for _ in range(200):
        rare = [f"rare{number}" for number in generator.integers(0, 1 << 40, 20)]
        counter.add(" ".join(rare + frequent))
        assert len(counter._counts) <= 100
    assert sorted(counter.build().words[2:12]) == frequent


def test_a_tower_of_marks_takes_no_time() -> None:
    # To order 200,000 marks would take minutes.
    tower = "a" + "\u0301\u0316" * 100_000
    started_s = time.process_time()
    assert len(split_words(tower, 10)) == 1
    assert time.process_time() - started_s < 2


def _change(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: value | fields


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_change(version=2), "version"),
        (_change(max_length=0), "length"),
        (_change(max_length="512"), "max_length"),
        (_change(words=[]), "does not begin with padding"),
        (_change(words=["the", "<unknown>"]), "does not begin with padding"),
        (_change(words=["<padding>", "<unknown>", "a", "a"]), "twice"),
        (_change(words=["<padding>", "<unknown>", ""]), "entry 2 is no word"),
        (_change(words=["<padding>", "<unknown>", "a b"]), "entry 2 is no word"),
        (_change(words=["<padding>", "<unknown>", "a" * 65]), "entry 2 is no word"),
        (_change(words=["<padding>", "<unknown>", 7]), "words"),
        (_change(code="import os"), "unknown field"),
    ],
)
def test_a_vocabulary_that_was_not_saved_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], reason: str
) -> None:
    value = change(json.loads(_count(["a b"]).save()))
    with pytest.raises(DatasetError, match=reason):
        load_tokenizer(json.dumps(value).encode())


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"version": 1}', b"\x80\x04}."]
)
def test_what_is_no_vocabulary_is_refused(content: bytes) -> None:
    with pytest.raises(DatasetError, match="vocabulary"):
        load_tokenizer(content)


def test_counts_are_exact_below_the_limit() -> None:
    words = [f"w{number}" for number in np.random.default_rng(0).integers(0, 50, 500)]
    counter = WordCounter(100, 1000)
    counter.add(" ".join(words))
    assert counter._counts == Counter(words)
