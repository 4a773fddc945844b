"""The language in which runs are searched: `mnist tag:base acc>0.99 -state:failed | run7`.

Words are looked for in a run's name, dataset, model, tags, note and state, in any case of
letters; `key:text` looks in one of them, `key=text` asks for the whole; numbers are compared.
All conditions must hold, `-` before one turns it round, `|` stands between alternatives, quotes
hold a text together. What is not known of a run fulfils no comparison.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.query_keys import (
    ALIASES,
    NUMBERS,
    SPLITS,
    STATE_WORDS,
    TEXTS,
    Facts,
    SettingValue,
    metric_value,
    read_number,
    words_of,
)
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.suggest import hint_for, nearest
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import UsageError

_SPACE = re.compile(r"\s*")
_CONDITION = re.compile(r"([^\W\d][\w.-]*)(:|\s*(?:>=|<=|!=|==|=|>|<))")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_WORD = re.compile(r'[^\s|"]+')
_LITERAL = 'To search for the text itself, put it in "quotes".'

Holds = Callable[[Facts], bool]


@dataclass(frozen=True)
class Query:
    """Alternatives, in each of which every condition must hold; without any, every run fits."""

    text: str = ""
    groups: tuple[tuple[Holds, ...], ...] = ((),)
    needs_settings: bool = False

    def matches(
        self,
        record: RunRecord,
        now: float,
        settings: Mapping[str, SettingValue] | None = None,
    ) -> bool:
        """Whether the run fits; `settings` are needed only where `needs_settings` says so."""
        facts = Facts(record, now, settings or {})
        return any(all(holds(facts) for holds in group) for group in self.groups)


def parse_query(text: str, metrics: Collection[str] = ("accuracy", "loss")) -> Query:
    """The query in `text`, in which `metrics` are names of metrics.

    Raises:
        UsageError: it is none.
    """
    parser = _Parser(text, metrics)
    groups = parser.parse()
    return Query(text.strip(), groups, parser.needs_settings)


class _Parser:
    def __init__(self, text: str, metrics: Collection[str]) -> None:
        self._text, self._at = text, 0
        self._metrics = {name.lower(): name for name in metrics}
        self.needs_settings = False

    def parse(self) -> tuple[tuple[Holds, ...], ...]:
        groups: list[list[Holds]] = [[]]
        while self._skip_space():
            if self._text[self._at] == "|":
                self._at += 1
                groups.append([])
            else:
                groups[-1].append(self._term())
        if len(groups) > 1 and not all(groups):
            raise UsageError("There is nothing on one side of |.", "Write alternatives: a | b.")
        return tuple(map(tuple, groups))

    def _skip_space(self) -> bool:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _term(self) -> Holds:
        if self._text[self._at] != "-":
            return self._condition()
        self._at += 1
        if self._at == len(self._text) or self._text[self._at].isspace():
            raise UsageError("There is nothing after -.", "Write what a run must not have.")
        holds = self._condition()
        return lambda facts: not holds(facts)

    def _condition(self) -> Holds:
        if self._text.startswith('"', self._at):
            return _contains(words_of, self._quoted())
        match = self._take(_CONDITION)
        if match is None:
            return self._word()
        key, sign = match[1], match[2].strip()
        if sign != ":":
            self._skip_space()
        value = self._value()
        if value is None:
            example = "write what to look for" if sign == ":" else "write a value"
            raise UsageError(
                f"There is nothing after {_shown(key)}{sign}.", f"After {sign} {example}."
            )
        return self._about(key, "=" if sign == "==" else sign, value)

    def _word(self) -> Holds:
        match = self._take(_WORD)
        word = match[0] if match else self._text[self._at :]
        if match is None or word[0] in "<>=":
            raise UsageError(
                f"There is nothing to compare before {_shown(word)}.", "Write it as acc>0.99."
            )
        return _contains(words_of, word)

    def _value(self) -> str | None:
        if self._text.startswith('"', self._at):
            return self._quoted()
        match = self._take(_WORD)
        return match[0] if match else None

    def _quoted(self) -> str:
        match = self._take(_QUOTED)
        if match is None:
            raise UsageError("A quote is not closed.", 'Write " at its end.')
        return match[1].replace('""', '"')

    def _about(self, key: str, sign: str, value: str) -> Holds:
        name = ALIASES.get(key.lower(), key.lower())
        if name in TEXTS:
            return _text_condition(name, sign, value)
        if name in all_fields():
            self.needs_settings = True
            return _setting_condition(name, sign, value)
        return _number_condition(key, self._number_of(key, name), sign, value)

    def _number_of(self, key: str, name: str) -> Callable[[Facts], float | None]:
        if name in NUMBERS:
            return NUMBERS[name]
        split, dot, rest = name.partition(".")
        rest = ALIASES.get(rest, rest)
        if name in self._metrics:
            metric = self._metrics[name]
            return lambda facts: metric_value(facts.record, metric)
        if dot and split in SPLITS and rest in self._metrics:
            metric = self._metrics[rest]
            return lambda facts: metric_value(facts.record, metric, SPLITS[split])
        raise self._unknown(key, name)

    def _unknown(self, key: str, name: str) -> UsageError:
        names = [*TEXTS, *NUMBERS, *self._metrics, *all_fields()]
        names += [f"{split}.{metric}" for split in SPLITS for metric in self._metrics]
        near = nearest(name, names)
        hint = f"Did you mean {near}? {_LITERAL}" if near else _LITERAL
        return UsageError(f"Runs have nothing called {_shown(key)}.", hint)


def _shown(text: str) -> str:
    return sanitize(text, limit=40)


def _contains(texts: Callable[[RunRecord], Iterable[str]], part: str) -> Holds:
    needle = part.casefold()
    return lambda facts: any(needle in text.casefold() for text in texts(facts.record))


def _text_condition(key: str, sign: str, value: str) -> Holds:
    if sign not in (":", "=", "!="):
        raise UsageError(
            f"{key} is a text and cannot be compared by {sign}.",
            f"Write {key}:part, {key}=whole or {key}!=whole.",
        )
    if key == "state":
        value = _known_state(sign, value)
    texts = TEXTS[key]
    if sign == ":":
        return _contains(texts, value)
    whole, wanted = value.casefold(), sign == "="
    return lambda facts: wanted == any(whole == text.casefold() for text in texts(facts.record))


def _known_state(sign: str, value: str) -> str:
    word = value.lower()
    known = word in STATE_WORDS or (sign == ":" and any(word in state for state in STATE_WORDS))
    if not known:
        raise UsageError(f"There is no state {_shown(value)}.", hint_for(word, STATE_WORDS))
    return word


def _is_equal(one: float, other: float) -> bool:
    """Equal as float32 holds numbers, which is how the log has them; NaN equals NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=1e-6)


_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": _is_equal,
    "!=": lambda one, other: not _is_equal(one, other),
}


def _number_condition(
    key: str, number_of: Callable[[Facts], float | None], sign: str, value: str
) -> Holds:
    if sign == ":":
        raise UsageError(
            f"{_shown(key)} is a number.", f"Write {_shown(key)}={_shown(value)}, or > or <."
        )
    bound = read_number(value)
    if bound is None:
        raise UsageError(
            f"{_shown(value)} is no number.", "Write one as 0.99, 1e-3, 99% or, of a time, 1h30m."
        )
    compare = _ORDERS[sign]

    def holds(facts: Facts) -> bool:
        try:
            number = number_of(facts)
            return number is not None and compare(float(number), bound)
        except OverflowError:
            return False  # a whole number in the log that no float can hold

    return holds


def _setting_condition(key: str, sign: str, value: str) -> Holds:
    field = all_fields()[key]
    if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
        return _number_condition(key, lambda facts: _number_setting(facts, key), sign, value)
    if sign not in (":", "=", "!="):
        raise UsageError(f"{key} is {field.allowed}, not a number.", f"Write {key}=value.")
    if sign == ":" and isinstance(field.default, str):
        part = value.casefold()
        return lambda facts: part in str(facts.settings.get(key, "")).casefold()
    try:
        wanted = field.convert(value, from_text=True)
    except ValueError as error:
        raise UsageError(f"{error}.", f"Write {key}=value.") from error
    is_asked = sign != "!="
    return lambda facts: key in facts.settings and is_asked == (facts.settings[key] == wanted)


def _number_setting(facts: Facts, key: str) -> float | None:
    value = facts.settings.get(key)
    return None if value is None or isinstance(value, str) else float(value)
