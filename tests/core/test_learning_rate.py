"""A learning rate as it is typed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.learning_rate import parse_lr
from tui_trainer.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "lr"),
    [("0.01", 0.01), (" 1e-3 ", 1e-3), ("x0.5", 0.05), ("*2", 0.2), ("×10", 1.0), ("/4", 0.025)],
)
def test_a_number_or_a_factor_of_the_present_rate(text: str, lr: float) -> None:
    assert parse_lr(text, 0.1) == pytest.approx(lr)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "fast", "x", "x0", "x-1", "/0",
                                  "xnan", "*inf", "2x", "x1e300", "/1e300"])  # fmt: skip
def test_what_is_none_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_lr(text, 1e-30)
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")


def test_a_factor_needs_a_rate_that_is_known() -> None:
    assert parse_lr("0.5", None) == 0.5
    with pytest.raises(ConfigError, match="not known yet"):
        parse_lr("x0.5", None)


@given(st.text(max_size=8), st.floats(1e-9, 10))
def test_whatever_is_typed_is_a_rate_that_is_allowed_or_an_error(text: str, lr: float) -> None:
    try:
        found = parse_lr(text, lr)
    except ConfigError:
        return
    assert 0 < found <= 1e6 and math.isfinite(found)
