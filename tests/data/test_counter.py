"""Random numbers as a function of what they are for."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.randomness import mix_seed
from tui_trainer.data.counter import below, chance, draw_bits

_WORDS = st.integers(0, (1 << 64) - 1)


@given(
    key=st.lists(_WORDS, min_size=1, max_size=3).map(tuple),
    counters=st.lists(st.integers(0, (1 << 62)), min_size=1, max_size=5),
)
def test_tensors_draw_the_words_of_mix_seed(key: tuple[int, ...], counters: list[int]) -> None:
    bits_BD = draw_bits(key, torch.tensor(counters), 3)
    words = [[word & ((1 << 64) - 1) for word in row] for row in bits_BD.tolist()]
    assert words == [[mix_seed(*key, counter, draw) for draw in range(3)] for counter in counters]


@given(seed=_WORDS, limit=st.integers(1, 5000))
def test_numbers_stay_below_their_limit(seed: int, limit: int) -> None:
    numbers = below(draw_bits((seed,), torch.arange(200), 1), limit)
    assert int(numbers.min()) >= 0
    assert int(numbers.max()) < limit


def test_numbers_are_spread_evenly() -> None:
    bits = draw_bits((1,), torch.arange(70_000), 2)
    counts = torch.bincount(below(bits[:, 0], 7), minlength=7)
    # The deviation of each count is about 93.
    assert int((counts - 10_000).abs().max()) < 500
    assert abs(chance(bits[:, 1], 0.3).float().mean().item() - 0.3) < 0.01


def test_chance_is_never_at_zero_and_always_at_one() -> None:
    bits = torch.tensor([0, -1, 1 << 62, -(1 << 63)])
    assert not chance(bits, 0).any()
    assert chance(bits, 1).all()
