"""JSON that shows its own damage, and that holds numbers which JSON cannot.

A sealed line is PREFIX + `,"crc":"` + eight hexadecimal digits + `"}` + LF, where PREFIX is a
compact JSON object without its closing brace and the digits are the CRC-32 (zlib's) of PREFIX.
Numbers that JSON cannot hold are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

import msgspec

Number = float | Literal["nan", "inf", "-inf"]
"""A float, or one of the strings "nan", "inf", "-inf"; `float()` takes either."""

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer of 64 bits: of larger ones, which JSON can hold, no float can be made."""


class Damage(msgspec.Struct, frozen=True):
    """A line that is in the log but not as it was written."""

    reason: str


_TAIL = re.compile(rb',"crc":"([0-9a-f]{8})"\}')
_TAIL_BYTES = len(b',"crc":"01234567"}')


class Encodable(Protocol):
    """A sequence that writes itself sooner than item by item."""

    def to_json(self) -> bytes:
        """A JSON array; null stands for a number that JSON cannot hold."""


def _encode_self(value: Encodable) -> msgspec.Raw:
    return msgspec.Raw(value.to_json())


_encoder = msgspec.json.Encoder(enc_hook=_encode_self)


def encode_sealed(value: msgspec.Struct) -> bytes:
    """The value as a line of compact JSON that ends in the CRC of what stands before it.

    Non-finite numbers become strings; what UTF-8 cannot hold becomes a question mark.
    """
    try:
        content = _encoder.encode(value)
    except UnicodeEncodeError:
        content = b"null"
    # The encoder writes null for a number that JSON cannot hold.
    if b"null" in content:
        content = _encoder.encode(_plain(msgspec.to_builtins(value, enc_hook=tuple)))
    return seal(content)


def seal(content: bytes) -> bytes:
    """A compact JSON object as a line that ends in the CRC of what stands before it."""
    prefix = content[:-1]
    return b'%s,"crc":"%08x"}\n' % (prefix, zlib.crc32(prefix))


def open_sealed(line: bytes) -> bytes | Damage:
    """The JSON in a line that `encode_sealed` made (with or without its line end)."""
    line = line.removesuffix(b"\n")
    prefix, tail = line[:-_TAIL_BYTES], line[-_TAIL_BYTES:]
    match = _TAIL.fullmatch(tail)
    if match is None:
        return Damage("no CRC at its end")
    if int(match[1], 16) != zlib.crc32(prefix):
        return Damage("CRC does not match")
    return prefix + b"}"


def unseal(content: bytes) -> bytes:
    """The JSON in a file that `seal` made. One without a CRC, of an older version, is as it is.

    A single flipped bit in the words around the CRC also leaves none, and all else as it was.

    Raises:
        msgspec.DecodeError: the CRC is not that of what stands before it.
    """
    if _TAIL.fullmatch(content.removesuffix(b"\n")[-_TAIL_BYTES:]) is None:
        return content
    opened = open_sealed(content)
    if isinstance(opened, Damage):
        raise msgspec.DecodeError(opened.reason)
    return opened


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def number(value: float) -> Number:
    """A float as the log holds it: itself where finite, else "nan", "inf" or "-inf"."""
    if value != value:
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return value


def numbers(values: Mapping[str, float]) -> dict[str, Number]:
    """Floats by name as the log holds them."""
    return {name: number(value) for name, value in values.items()}
