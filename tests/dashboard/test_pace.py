"""How often something costly is done."""

from __future__ import annotations

import pytest

from tui_trainer.dashboard.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("cost_s", "every_s"), [(0.002, 0.2), (0.004, 0.4), (0.5, 0.5)])
def test_it_takes_its_share_of_the_time_and_waits_no_longer_than_it_must(
    cost_s: float, every_s: float
) -> None:
    clock = Clock()
    pace = Pace(0.01, 0.5, clock)
    assert pace.wait_s == 0.0
    with pace.measured():
        clock.now_s += cost_s
    assert pace.wait_s == pytest.approx(every_s - cost_s)
    clock.now_s += every_s
    assert pace.wait_s == 0.0


def test_what_fails_has_to_wait_too() -> None:
    clock = Clock()
    pace = Pace(0.01, 0.5, clock)
    with pytest.raises(ZeroDivisionError), pace.measured():
        clock.now_s += 1.0
        raise ZeroDivisionError
    clock.now_s -= 0.9
    assert pace.wait_s > 0
