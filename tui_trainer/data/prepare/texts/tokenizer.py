"""From a text to the numbers of its words, and back.

A text becomes words by rules that know no language:

1. It is put into Unicode's form NFC, case is folded, ’ becomes '.
2. A run of letters, digits and underscores, with their marks, is a word; so are such runs joined
   by an apostrophe (don't). In scripts that leave no spaces between words (Chinese, Japanese,
   Thai, Lao, Khmer, Burmese) every character with its marks is one.
3. Any other character that can be seen is a word by itself. Spaces, control and format characters
   and what Unicode gives no meaning to are left out.

Words are numbered from 2 by how often the training texts hold them; 0 is padding, 1 any other word.
The numbers are kept as `vocabulary.json`, so that a text can be encoded years later:

    {"version": 1, "unicode": "14.0.0", "max_length": 512,
     "words": ["<padding>", "<unknown>", "the", "of", …]}

`words` are sorted by their numbers. `unicode` is the version of Unicode's tables that was used.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import PADDING_TOKEN, UNKNOWN_TOKEN
from tui_trainer.errors import DatasetError

VOCABULARY_FILE = "vocabulary.json"
_VERSION = 1
# No word can look like these: a bracket is a word by itself.
_SPECIAL = ("<padding>", "<unknown>")
_MOST_VOCABULARY_BYTES = 1 << 30
# Longer ones are no words; they are encoded as unknown.
_LONGEST_WORD = 64
# Of each kind of word so many different ones are counted at a time, about 150 MB of them.
_MOST_COUNTED = 1 << 20
# Unicode's "stream-safe" text has no more marks than this on a character. To put a long run of
# them into order takes time that grows with the square of its length.
_MOST_MARKS = 30

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U0010ffff"
)


# What the rules come to for text of ASCII alone: three times as fast.
_ASCII_WORD = re.compile(r"[a-z0-9_]+(?:'[a-z0-9_]+)*|[!-/:-@\[-`{-~]")


class _StoredVocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    unicode: str
    max_length: int
    words: tuple[str, ...]


class Tokenizer:
    """Encodes texts by a vocabulary of words; it can be pickled."""

    def __init__(self, words: Iterable[str], max_length: int) -> None:
        """Take the `words` that have the numbers 2, 3 …, and after how many words a text is cut."""
        self.words = (*_SPECIAL, *words)
        self.max_length = max_length
        self._number_of = {word: number for number, word in enumerate(self.words)}

    @property
    def vocabulary(self) -> int:
        """How many tokens there are, padding and unknown ones among them."""
        return len(self.words)

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The tokens of a text, int32, at most `max_length`; none where nothing can be seen."""
        number_of = self._number_of.get
        words = split_words(text, self.max_length)
        return np.array([number_of(word, UNKNOWN_TOKEN) for word in words], np.int32)

    def decode(self, tokens: Iterable[int]) -> str:
        """The words of tokens with a space between them, without padding.

        Raises:
            IndexError: a token is not in the vocabulary.
        """
        return " ".join(self.words[token] for token in tokens if token != PADDING_TOKEN)

    def save(self) -> bytes:
        """What `vocabulary.json` holds."""
        stored = _StoredVocabulary(
            version=_VERSION,
            unicode=unicodedata.unidata_version,
            max_length=self.max_length,
            words=self.words,
        )
        return msgspec.json.format(msgspec.json.encode(stored), indent=1)

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[tuple[str, ...], int]]:
        return Tokenizer, (self.words[len(_SPECIAL) :], self.max_length)


def load_tokenizer(content: bytes) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote.

    Raises:
        DatasetError: it is damaged, or of another version.
    """
    try:
        if len(content) > _MOST_VOCABULARY_BYTES:
            raise ValueError(f"it is larger than {_MOST_VOCABULARY_BYTES} bytes")
        stored = msgspec.json.decode(content, type=_StoredVocabulary)
        _check(stored)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"The vocabulary of the texts cannot be used: {error}.", "Prepare the dataset again."
        ) from error
    return Tokenizer(stored.words[len(_SPECIAL) :], stored.max_length)


def _check(stored: _StoredVocabulary) -> None:
    """Raise a ValueError where a vocabulary is not one that was saved."""
    if stored.version != _VERSION:
        raise ValueError(f"its version is {stored.version}, not {_VERSION}")
    if stored.max_length < 1:
        raise ValueError("its texts have no length")
    if stored.words[: len(_SPECIAL)] != _SPECIAL:
        raise ValueError("it does not begin with padding and the unknown word")
    if len(set(stored.words)) != len(stored.words):
        raise ValueError("a word is in it twice")
    for number, word in enumerate(stored.words[len(_SPECIAL) :], len(_SPECIAL)):
        if not 0 < len(word) <= _LONGEST_WORD or word.split() != [word]:
            raise ValueError(f"its entry {number} is no word")


class WordCounter:
    """Counts the words of training texts in bounded memory.

    Exact while there are at most about a million different words. Of more, the rarest are
    forgotten again and again, as in lossy counting: Manku and Motwani, "Approximate Frequency
    Counts over Data Streams", VLDB 2002.
    """

    def __init__(self, size: int, max_length: int) -> None:
        """Count for a vocabulary of `size` tokens, of texts cut after `max_length` words."""
        self._size, self._max_length = size, max_length
        self._most = max(_MOST_COUNTED, 2 * size)
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Count the words of a text."""
        words = split_words(text, self._max_length)
        self._counts.update([word for word in words if len(word) <= _LONGEST_WORD])
        rarest = 1
        while len(self._counts) > self._most:
            self._counts = Counter({w: n for w, n in self._counts.items() if n > rarest})
            rarest += 1

    def build(self) -> Tokenizer:
        """The tokenizer of the most frequent words; of equally frequent ones the first by name."""
        by_count = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        kept = by_count[: self._size - len(_SPECIAL)]
        return Tokenizer((word for word, _ in kept), self._max_length)


def split_words(text: str, most: int) -> list[str]:
    """The first words of a text, at most `most` of them."""
    pattern, text = _prepare(text)
    # To find all is faster, but of a long text with few words wanted it is in vain.
    if len(text) <= 16 * most:
        return pattern.findall(text)[:most]
    return [match.group() for match in islice(pattern.finditer(text), most)]


def has_words(text: str) -> bool:
    """Whether a text has any word."""
    return bool(split_words(text, 1))


def _prepare(text: str) -> tuple[re.Pattern[str], str]:
    """What finds the words of a text, and the text in the form in which they are found."""
    if text.isascii():
        return _ASCII_WORD, text.lower()
    word, too_many_marks = _patterns()
    text = too_many_marks.sub(r"\1", text)
    folded = unicodedata.normalize("NFC", text).casefold().replace("’", "'")
    return word, unicodedata.normalize("NFC", folded)


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a word is; what too many marks on a character are."""
    marks = _marks()
    run = rf"[^\W{_UNSPACED}]+(?:[{marks}][^\W{_UNSPACED}]*)*"
    unspaced = rf"[{_UNSPACED}][{marks}]*"
    visible = rf"[^\s\w{_INVISIBLE}]"
    word = re.compile(rf"{run}(?:'{run})*|{unspaced}|{visible}")
    return word, re.compile(rf"([{marks}]{{{_MOST_MARKS}}})[{marks}]+")


def _marks() -> str:
    """Unicode's combining marks as ranges of a character class, without variation selectors."""
    hidden = re.compile(f"[{_INVISIBLE}]")
    ranges: list[list[int]] = []
    # All that there are, but for selectors, lie in these two planes.
    for code in range(0x300, 0x20000):
        character = chr(code)
        if unicodedata.category(character)[0] != "M" or hidden.match(character):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
