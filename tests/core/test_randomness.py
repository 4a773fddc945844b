"""Seeds are mixed from what they are for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.randomness import mix_seed


@given(st.lists(st.integers(0, 2**64 - 1), max_size=4))
def test_a_seed_has_64_bits_and_follows_its_parts(parts: list[int]) -> None:
    assert 0 <= mix_seed(*parts) < 2**64
    assert mix_seed(*parts) == mix_seed(*parts)


def test_near_parts_give_far_seeds() -> None:
    seeds = {mix_seed(seed, step) & 0xFFFFFFFF for seed in range(50) for step in range(200)}
    assert len(seeds) == 10_000
    assert mix_seed(1, 2) != mix_seed(2, 1)
    assert mix_seed(0) != mix_seed(0, 0)
