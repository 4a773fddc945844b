"""Kitty's graphics protocol: a PNG file in pieces, laid over so many cells.

Source: https://sw.kovidgoyal.net/kitty/graphics-protocol/
"""

from __future__ import annotations

import base64

_PIECE = 4096
# Asks for one pixel of it; a terminal that knows the protocol answers under the same number.
QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
ANSWER = "\x1b_Gi=31;OK"


def encode_kitty(png: bytes, columns: int, rows: int) -> str:
    """The escape sequences that show a PNG file over `columns` × `rows` cells.

    The cursor stays where it is, and the terminal answers nothing.
    """
    text = base64.standard_b64encode(png).decode()
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    sequences = []
    for number, piece in enumerate(pieces):
        keys = f"a=T,f=100,q=2,C=1,c={columns},r={rows}," if number == 0 else ""
        more = int(number + 1 < len(pieces))
        sequences.append(f"\x1b_G{keys}m={more};{piece}\x1b\\")
    return "".join(sequences)
