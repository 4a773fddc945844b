"""Pictures in a terminal."""

from __future__ import annotations

from typing import Literal

Colors = Literal["16", "256", "truecolor"]
"""How many colours a terminal has."""
