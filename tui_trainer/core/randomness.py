"""Seeds as a function of what they are for, never of what ran before."""

from __future__ import annotations

_MASK = (1 << 64) - 1


def mix_seed(*parts: int) -> int:
    """A 64-bit seed from whole numbers, by the finaliser of SplitMix64 over each.

    Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
    """
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state
