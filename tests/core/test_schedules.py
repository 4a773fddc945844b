"""The learning rate is a function of the step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.schedules import lr_share

_NAMES = ["constant", "cosine", "one-cycle"]


@given(st.sampled_from(_NAMES), st.floats(0, 0.99), st.integers(1, 2000))
def test_every_step_has_a_share_of_the_peak(name: str, warmup: float, steps: int) -> None:
    config = ScheduleConfig(name=name, warmup=warmup)
    shares = [lr_share(config, step, steps) for step in range(1, steps + 1)]
    assert all(0 < share <= 1 for share in shares)


@pytest.mark.parametrize("name", _NAMES)
def test_warm_up_rises_then_the_schedule_falls(name: str) -> None:
    config = ScheduleConfig(name=name, warmup=0.2)
    shares = [lr_share(config, step, 100) for step in range(1, 101)]
    assert shares[:20] == sorted(shares[:20])
    assert shares[19] == 1.0
    assert shares[19:] == sorted(shares[19:], reverse=True)
    assert shares[-1] == (1.0 if name == "constant" else pytest.approx(1e-3))


def test_constant_stays() -> None:
    assert {lr_share(ScheduleConfig(), step, 50) for step in range(1, 51)} == {1.0}


def test_halfway_down_a_cosine_is_half() -> None:
    assert lr_share(ScheduleConfig(name="cosine"), 50, 100) == pytest.approx(0.5, abs=1e-3)
    assert lr_share(ScheduleConfig(name="one-cycle"), 25, 100) == pytest.approx(0.75, abs=1e-3)
