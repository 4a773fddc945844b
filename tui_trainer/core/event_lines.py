"""An event as a line of the log, and back."""

from __future__ import annotations

import functools
import operator
from typing import Any

import msgspec

from tui_trainer.core.events import KINDS, SCHEMA_VERSION, Event, kind_of
from tui_trainer.core.sealed_json import Damage, encode_sealed, open_sealed

MAX_LINE_BYTES = 1 << 20


class Unknown(msgspec.Struct, frozen=True):
    """A whole line of a kind, or a schema version, that this program does not know."""

    v: int
    seq: int
    kind: str


class _Header(msgspec.Struct):
    v: int
    seq: int
    kind: str


_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_header_decoder = msgspec.json.Decoder(_Header)
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    functools.reduce(operator.or_, KINDS.values())
)


def encode_line(event: Event) -> bytes:
    """The event as a line of the log, with its CRC and line end.

    Raises:
        ValueError: the line would be longer than `MAX_LINE_BYTES`.
    """
    line = encode_sealed(event)
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"the event {kind_of(event)!r} makes a line of {len(line)} bytes")
    return line


def decode_line(line: bytes) -> Event | Unknown | Damage:
    """The event in a line (with or without its line end). Never raises on damaged input."""
    if len(line.removesuffix(b"\n")) >= MAX_LINE_BYTES:
        return Damage("too long")
    whole = open_sealed(line)
    if isinstance(whole, Damage):
        return whole
    try:
        event: Event = _decoder.decode(whole)
    except _UNDECODABLE as error:
        return _explain(whole, error)
    return event if event.v <= SCHEMA_VERSION else Unknown(event.v, event.seq, kind_of(event))


def _explain(whole: bytes, error: Exception) -> Unknown | Damage:
    """What a line is that is no event known here."""
    damage = Damage(f"not an event: {error}")
    try:
        header = _header_decoder.decode(whole)
    except _UNDECODABLE:
        return damage
    if header.kind in KINDS and header.v <= SCHEMA_VERSION:
        return damage
    return Unknown(header.v, header.seq, header.kind)
