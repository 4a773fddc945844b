"""A learning rate as a person types it: a number, or the present one times or divided by one."""

from __future__ import annotations

import math

from tui_trainer.core.config.fields import check_value
from tui_trainer.errors import ConfigError

_TIMES = ("x", "X", "*", "×")


def parse_lr(text: str, current: float | None) -> float:
    """The learning rate meant by `0.01`, `x0.5`, `*0.5` or `/2`.

    Args:
        current: The rate that factors are of; None while it is not known.

    Raises:
        ConfigError: the text means none, or one that is not allowed.
    """
    text = text.strip()
    if not text.startswith((*_TIMES, "/")):
        check_value("optimizer.lr", text, "lr")
        return float(text)
    if current is None:
        raise ConfigError("The learning rate is not known yet.", "Give a number above 0.")
    factor = _parse_factor(text)
    lr = current / factor if text[0] == "/" else current * factor
    check_value("optimizer.lr", repr(lr), f"lr {text}")
    return lr


def _parse_factor(text: str) -> float:
    try:
        factor = float(text[1:])
    except ValueError:
        factor = math.nan
    if not (0 < factor < math.inf):
        raise ConfigError(
            f"lr is {text!r}, but a factor must be a number above 0.", "Write it like x0.5 or /2."
        )
    return factor
