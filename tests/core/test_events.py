"""The one-line form of events."""

from __future__ import annotations

import json
import math
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tui_trainer.core import events
from tui_trainer.core.event_lines import MAX_LINE_BYTES, Unknown, decode_line, encode_line
from tui_trainer.core.sealed_json import Damage, number, seal, unseal

_EVENT = events.Steps(
    seq=7,
    t=1767323045.5,
    elapsed_s=12.25,
    epoch=1,
    first=3,
    loss=(0.5, "nan"),
    lr=(0.01, 0.02),
    grad_norm=(1.5, "inf"),
    accuracy=(0.25, 1.0),
    samples_per_s=1000.0,
)
_GOLDEN = (
    b'{"kind":"steps","v":1,"seq":7,"t":1767323045.5,"elapsed_s":12.25,"epoch":1,"first":3,'
    b'"loss":[0.5,"nan"],"lr":[0.01,0.02],"grad_norm":[1.5,"inf"],"accuracy":[0.25,1.0],'
    b'"samples_per_s":1000.0,"crc":"480389e1"}\n'
)


def _line(content: str) -> bytes:
    """A line with a right CRC around any JSON object, made without the module under test."""
    prefix = content.encode()[:-1]
    return prefix + b',"crc":"%08x"}\n' % zlib.crc32(prefix)


def test_a_line_is_golden_to_the_byte() -> None:
    assert encode_line(_EVENT) == _GOLDEN
    assert decode_line(_GOLDEN) == _EVENT


@pytest.mark.parametrize("kind", events.KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_every_kind_survives_a_round_trip(kind: str, data: st.DataObject) -> None:
    event = data.draw(builders.values_of(events.KINDS[kind]))
    line = encode_line(event)
    assert decode_line(line) == event
    assert decode_line(line.removesuffix(b"\n")) == event
    assert json.loads(line)["kind"] == events.kind_of(event) == kind


@given(builders.any_event)
def test_the_crc_is_zlibs_of_the_prefix(event: events.Event) -> None:
    line = encode_line(event)
    prefix, mark, tail = line.rpartition(b',"crc":"')
    assert mark and tail == b'%08x"}\n' % (zlib.crc32(prefix) & 0xFFFFFFFF)
    assert json.loads(prefix + b"}")
    assert line.count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (0.1, 0.1), (-0.0, -0.0)],
)
def test_a_non_finite_number_is_a_string(value: float, kept: float | str) -> None:
    assert number(value) == kept
    assert repr(float(number(value))) == repr(value)


def test_raw_non_finite_numbers_become_strings_in_the_line() -> None:
    line = encode_line(builders.steps(loss=(math.nan, -math.inf), samples_per_s=math.inf))
    assert json.loads(line)["loss"] == ["nan", "-inf"]
    decoded = decode_line(line)
    assert isinstance(decoded, events.Steps)
    assert decoded.loss == ("nan", "-inf")
    assert decoded.samples_per_s == "inf"


def test_none_stays_null() -> None:
    resources = events.Resources(
        process_bytes=1, host_used_bytes=2, host_total_bytes=3, cpu_utilization=0.5
    )
    assert json.loads(encode_line(resources))["device"] is None


def test_text_that_utf8_cannot_hold_is_still_logged() -> None:
    decoded = decode_line(encode_line(events.Message(text="a\udcffb")))
    assert isinstance(decoded, events.Message)
    assert decoded.text == "a?b"


def test_text_that_is_no_number_is_damage() -> None:
    line = _line(msgspec.json.encode(builders.steps(loss=("hello", 1.0))).decode())
    assert isinstance(decode_line(line), Damage)


def test_unknown_fields_are_ignored() -> None:
    line = _line('{"v":1,"seq":3,"t":1.0,"elapsed_s":0.0,"kind":"message","text":"a","new":[1]}')
    assert decode_line(line) == events.Message(seq=3, t=1.0, text="a")


@pytest.mark.parametrize(("v", "kind"), [(1, "invented"), (2, "message"), (99, "invented")])
def test_unknown_kinds_and_newer_versions_surface(v: int, kind: str) -> None:
    line = _line(f'{{"v":{v},"seq":3,"t":"soon","kind":"{kind}"}}')
    assert decode_line(line) == Unknown(v=v, seq=3, kind=kind)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}",
        b"null",
        b',"crc":"00000000"}',
        _line("{}"),
        _line("[]"),
        _line('{"v":1,"seq":1,"kind":"message"}'),
        _line('{"v":1,"seq":"1","kind":"message","text":"a"}'),
        _line('{"v":1,"seq":1,"t":1e300,"kind":"message","text":"a"}'),
        pytest.param(_line('{"v":1,"seq":1,"x":' + "[" * 100_000 + "}"), id="deep"),
        _line('{"v":1,"seq":1,"kind":"message","text":"a"}').replace(b'"crc":"', b'"CRC":"'),
        _line('{"v":1,"seq":1,"kind":"message","text":"a"}').replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_event_is_damage(line: bytes) -> None:
    assert isinstance(decode_line(line), Damage)


def test_upper_case_crc_digits_are_damage() -> None:
    line = next(
        line
        for line in (encode_line(events.Message(text=str(n))) for n in range(100))
        if any(chr(byte) in "abcdef" for byte in line[-11:-3])
    )
    assert isinstance(decode_line(line[:-11] + line[-11:-3].upper() + line[-3:]), Damage)


@given(st.binary(max_size=200))
def test_any_bytes_decode_without_an_exception(noise: bytes) -> None:
    assert isinstance(decode_line(noise), Damage)


@given(st.binary(max_size=200))
def test_any_bytes_under_a_right_crc_decode_without_an_exception(noise: bytes) -> None:
    decode_line(noise + b',"crc":"%08x"}\n' % zlib.crc32(noise))


@given(builders.any_event, st.data())
def test_a_flipped_bit_is_detected(event: events.Event, data: st.DataObject) -> None:
    line = encode_line(event)
    for bit in data.draw(st.lists(st.integers(0, 8 * len(line) - 1), min_size=30, max_size=60)):
        flipped = bytearray(line)
        flipped[bit // 8] ^= 1 << bit % 8
        decoded = decode_line(bytes(flipped))
        assert isinstance(decoded, Damage) or decoded == event


def test_every_flipped_bit_of_the_golden_line_is_damage() -> None:
    for bit in range(8 * len(_GOLDEN)):
        flipped = bytearray(_GOLDEN)
        flipped[bit // 8] ^= 1 << bit % 8
        assert isinstance(decode_line(bytes(flipped)), Damage), bit


def test_a_sealed_file_opens_as_it_was_and_one_without_a_crc_as_it_is() -> None:
    content = b'{"name":"a","tags":[]}'
    for written in (seal(content), seal(content).rstrip(b"\n"), content):
        assert unseal(written) == content
    assert unseal(b"") == b""


def test_a_flipped_bit_in_a_sealed_file_is_found_or_changes_nothing() -> None:
    content = b'{"name":"a","lr":0.1}'
    sealed = seal(content)
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            read = msgspec.json.decode(unseal(bytes(flipped)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        assert (read["name"], read["lr"]) == ("a", 0.1)
        # In the words around the CRC, or the line end.
        assert bit // 8 >= len(content) - 1


def test_the_longest_line_is_one_mebibyte() -> None:
    empty = len(encode_line(events.Message(text="")))
    longest = events.Message(text="x" * (MAX_LINE_BYTES - empty))
    line = encode_line(longest)
    assert len(line) == MAX_LINE_BYTES == 1 << 20
    assert decode_line(line) == longest
    with pytest.raises(ValueError, match="message"):
        encode_line(events.Message(text=longest.text + "x"))


@pytest.mark.parametrize(
    ("best", "accuracy", "step"),
    [
        (None, 0.5, 20),
        (0.4, 0.5, 20),
        (0.5, 0.5, 10),
        (0.6, 0.5, 10),
        (0.5, math.nan, 10),
    ],
)
def test_the_best_is_the_highest_and_the_earliest(
    best: float | None, accuracy: float, step: int
) -> None:
    before = None if best is None else events.Best(metric="accuracy", value=best, step=10)
    after = events.Best.choose(before, {"accuracy": accuracy}, 20)
    assert after is not None
    assert after.step == step


@pytest.mark.parametrize(
    ("loss", "step"), [(0.1, 20), (0.2, 10), (0.3, 10), (math.nan, 10), (math.inf, 10)]
)
def test_of_equal_accuracies_the_lower_loss_is_best(loss: float, step: int) -> None:
    before = events.Best.choose(None, {"accuracy": 0.5, "loss": 0.2}, 10)
    after = events.Best.choose(before, {"accuracy": 0.5, "loss": loss}, 20)
    assert after is not None
    assert after.step == step


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_the_best_can_be_logged_whatever_its_loss(loss: float) -> None:
    best = events.Best.choose(None, {"accuracy": 0.5, "loss": loss}, 10)
    event = builders.resumed(10, best=best)
    assert decode_line(encode_line(event)) == event


@pytest.mark.parametrize("metrics", [{}, {"loss": 0.1}, {"accuracy": math.nan}])
def test_nothing_is_best_without_an_accuracy(metrics: dict[str, float]) -> None:
    assert events.Best.choose(None, metrics, 20) is None
