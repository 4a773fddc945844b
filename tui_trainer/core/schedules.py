"""The learning rate as a function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from tui_trainer.core.config.schedule import ScheduleConfig

_FINAL_SHARE = 1e-3


def lr_share(config: ScheduleConfig, step: int, steps: int) -> float:
    """The share of the peak learning rate used by the 1-based `step` of `steps`.

    Warm-up rises linearly over the first `warmup` share of the steps. After it, `constant`
    stays, `cosine` falls along half a cosine to a thousandth, and `one-cycle` falls in a straight
    line to it (after Smith, Topin, "Super-Convergence", 2018).
    """
    warm_steps = config.warmup * steps
    if step <= warm_steps:
        return step / math.ceil(warm_steps)
    if config.name == "constant":
        return 1.0
    progress = min(1.0, (step - warm_steps) / max(1.0, steps - warm_steps))
    falls = {"cosine": 0.5 * (1.0 + math.cos(math.pi * progress)), "one-cycle": 1.0 - progress}
    return _FINAL_SHARE + (1.0 - _FINAL_SHARE) * falls[config.name]
