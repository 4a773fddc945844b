"""Where steps stand in a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.log_index import LogIndex, LogPlace

KIB64 = 1 << 16


def index_of(count: int) -> LogIndex:
    index = LogIndex()
    for number in range(1, count + 1):
        index.add(LogPlace(step=100 * number, offset=KIB64 * number, seq=number))
    return index


@given(st.integers(1, 900), st.integers(1, 60_000), st.integers(0, 5000))
def test_reading_from_the_place_found_meets_every_step_asked_for(
    count: int, first: int, more: int
) -> None:
    place, end = index_of(count).find(first, first + more)
    assert place.step < first
    assert end is None or end * 100 // KIB64 >= first + more


def test_places_that_are_near_are_left_out_and_their_number_is_bounded() -> None:
    index = index_of(20_000)
    assert len(index) <= (1 << 12) + 1
    index.add(LogPlace(step=2_000_001, offset=KIB64 * 20_000 + 1))
    assert index.find(2_000_001, 2_000_001)[0].step <= 2_000_000


def test_a_resume_is_read_from_before_it_was_said() -> None:
    index = index_of(10)
    index.cut(250, LogPlace(step=1050, offset=KIB64 * 10 + 5, seq=11))
    index.add(LogPlace(step=400, offset=KIB64 * 12, seq=14))
    assert index.find(150, 240) == (
        LogPlace(step=100, offset=KIB64, seq=1),
        KIB64 * 10 + 5,
    )
    place, end = index.find(300, 350)
    assert (place.step, place.offset, place.seq, end) == (250, KIB64 * 10 + 5, 11, KIB64 * 12)
