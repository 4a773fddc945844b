"""Sixel graphics: bands of six rows, drawn once for each colour in them (DEC, 1983)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core.graphics.blocks import Pixels

MOST_COLORS = 255
_BAND = 6
# 1: what is not drawn keeps what was there before.
_BEGIN, _END = "\x1bP0;1;0q", "\x1b\\"
_LEAST_RUN = 4


def encode_sixel(indices_HW: NDArray[np.int64], palette_K3: Pixels) -> str:
    """The escape sequence that draws an image of colours 0 … K−1 of a palette; −1 is nothing."""
    height, width = indices_HW.shape
    parts = [_BEGIN, f'"1;1;{width};{height}']
    for number, color in enumerate(palette_K3.tolist()):
        shares = ";".join(str(round(100 * level / 255)) for level in color)
        parts.append(f"#{number};2;{shares}")
    missing = -height % _BAND
    padded = np.pad(indices_HW, ((0, missing), (0, 0)), constant_values=-1)
    for top in range(0, height, _BAND):
        parts.append("$".join(_draw_band(padded[top : top + _BAND])))
        parts.append("-")
    return "".join([*parts[:-1], _END])


def _draw_band(band: NDArray[np.int64]) -> list[str]:
    drawn = []
    for color in np.unique(band):
        if color >= 0:
            rows = (band == color) << np.arange(_BAND)[:, None]
            drawn.append(f"#{color}{_pack(rows.sum(0))}")
    return drawn


def _pack(bits_W: NDArray[np.int64]) -> str:
    """A row of six-pixel columns, runs of equal ones counted; what is empty at its end is left."""
    ends = np.flatnonzero(np.diff(bits_W)) + 1
    starts = np.concatenate([[0], ends])
    lengths = np.diff(np.concatenate([starts, [len(bits_W)]]))
    runs = list(zip(bits_W[starts].tolist(), lengths.tolist(), strict=True))
    if runs[-1][0] == 0:
        runs.pop()
    return "".join(_run(chr(63 + bits), length) for bits, length in runs)


def _run(character: str, length: int) -> str:
    return f"!{length}{character}" if length >= _LEAST_RUN else character * length
