"""A leak is told from memory that only goes up and down."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.memory_growth import Growth, MemoryWatch

_MIB = 1 << 20


def _watch(sizes: list[int]) -> list[tuple[int, Growth]]:
    """What is told of memory after each step, by the number of the step."""
    watch = MemoryWatch()
    told = ((step, watch.observe(step, size)) for step, size in enumerate(sizes, 1))
    return [(step, growth) for step, growth in told if growth is not None]


def test_a_leak_is_told_within_a_minute_and_again_when_memory_has_doubled() -> None:
    (first, growth), (again, _) = _watch([(600 + 8 * n) * _MIB for n in range(200)])
    assert (first, again) == (60, 190)
    # From the least of the first ten to the least of the last ten.
    assert growth == Growth(1, 51, 400 * _MIB)
    assert growth.bytes_per_step == 8 * _MIB


def test_a_leak_under_an_epochs_ups_and_downs_is_told() -> None:
    sizes = [(600 + 8 * n + 300 * (n % 7 == 0)) * _MIB for n in range(100)]
    assert [step for step, _ in _watch(sizes)] == [60]


def test_a_slow_leak_is_told_in_the_end() -> None:
    (found,) = _watch([(650 + n) * _MIB for n in range(300)])
    assert found == (270, Growth(1, 261, 260 * _MIB))


def test_memory_that_is_soon_full_is_none() -> None:
    assert _watch([min(600 + 40 * n, 2000) * _MIB for n in range(300)]) == []


@given(st.lists(st.integers(500, 4000), min_size=1, max_size=9), st.integers(1, 400))
def test_memory_that_comes_back_is_none(period: list[int], repeats: int) -> None:
    # Windows of ten hold every size of a shorter period, and so its least.
    assert _watch([size * _MIB for size in period * repeats]) == []


@given(st.lists(st.integers(-20, 3), min_size=100, max_size=250))
def test_what_hardly_grows_is_none(changes: list[int]) -> None:
    # At most 750 MiB, which is less than a fifth.
    assert _watch([max(1, 4000 + size) * _MIB for size in accumulate(changes)]) == []
