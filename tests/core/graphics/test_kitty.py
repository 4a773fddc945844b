"""Kitty's protocol: the pieces put together are the file."""

from __future__ import annotations

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.graphics.kitty import encode_kitty


@given(st.integers(1, 20_000), st.integers(1, 300), st.integers(1, 100))
def test_pieces_are_the_file(size: int, columns: int, rows: int) -> None:
    png = bytes(n % 251 for n in range(size))
    sequence = encode_kitty(png, columns, rows)
    pieces = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", sequence)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in pieces) == sequence
    assert base64.b64decode("".join(data for _, data in pieces)) == png
    assert all(len(data) <= 4096 for _, data in pieces)
    first, *others = [keys for keys, _ in pieces]
    assert first.startswith(f"a=T,f=100,q=2,C=1,c={columns},r={rows},m=")
    assert [keys[-3:] for keys in (first, *others)] == ["m=1"] * len(others) + ["m=0"]
