"""Random numbers that are a function of what they are for, drawn for a whole batch at once.

A generator has a state, so what it gives depends on what was drawn before. Here a number is a
hash of its seed, epoch, sample and purpose: `core.randomness.mix_seed`, written for tensors. It
is whole-number arithmetic throughout, and so the same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tui_trainer.core.randomness import mix_seed


def _signed(word: int) -> int:
    """A 64-bit word as the int64 of the same bits."""
    return word - (1 << 64) if word >> 63 else word


_GAMMA = _signed(0x9E3779B97F4A7C15)
_FIRST_FACTOR = _signed(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = _signed(0x94D049BB133111EB)


def draw_bits(key: tuple[int, ...], counters_B: Tensor, num_draws: int) -> Tensor:
    """64 random bits for each counter and draw, int64 B×`num_draws`.

    Element (b, d) holds the bits of `mix_seed(*key, counters_B[b], d)`.
    """
    draws_D = torch.arange(num_draws, device=counters_B.device)
    states_B = _mix(_signed(mix_seed(*key)), counters_B)
    return _mix(states_B[:, None], draws_D)


def below(bits: Tensor, limit: int) -> Tensor:
    """Whole numbers from 0 to `limit` − 1 (`limit` ≤ 2³¹), int64 in the shape of `bits`."""
    return (_high_half(bits) * limit) >> 32


def chance(bits: Tensor, probability: float) -> Tensor:
    """True with the given probability, bool in the shape of `bits`; never at 0, always at 1."""
    return _high_half(bits) < round(probability * (1 << 32))


def _mix(state: Tensor | int, part: Tensor) -> Tensor:
    """One round of `mix_seed`; int64 arithmetic wraps around, as that of its 64-bit words does."""
    mixed = state + part
    mixed += _GAMMA
    mixed ^= _logical_shift(mixed, 30)
    mixed *= _FIRST_FACTOR
    mixed ^= _logical_shift(mixed, 27)
    mixed *= _SECOND_FACTOR
    mixed ^= _logical_shift(mixed, 31)
    return mixed


def _logical_shift(words: Tensor, places: int) -> Tensor:
    # The shift of signed words drags the sign along; the mask takes it off again.
    return (words >> places) & ((1 << (64 - places)) - 1)


def _high_half(bits: Tensor) -> Tensor:
    return (bits >> 32) & 0xFFFFFFFF
