"""The learning rate as a function of the step: nothing to save, nothing to restore.

But for the schedule `plateau`, which follows the validation and remembers a `PlateauWatch`.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from typing import Annotated

import msgspec
from msgspec import Meta

from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.events import WORST_LOSS

_FINAL_SHARE = 1e-3

# What many falls leave: a learning rate of zero would train no more, and say nothing of it.
_SMALLEST_SHARE = 1e-9

_SPREAD_OVER_ALL_STEPS = frozenset({"linear", "one-cycle", "cosine", "polynomial"})


def lr_share(
    config: ScheduleConfig, step: int, *, steps: int, steps_per_epoch: int, reductions: int = 0
) -> float:
    """The share of the peak learning rate used by the 1-based `step` of `steps`; in (0, 1].

    Every schedule rises linearly over the first `warmup` share of the steps. Then:

    - `constant` stays.
    - `cosine` (Loshchilov, Hutter, "SGDR", 2017), `linear`, `one-cycle` (a straight fall, after
      Smith, Topin, "Super-Convergence", 2018) and `polynomial` (with `power`) fall to a
      thousandth over the steps that are left.
    - `inverse-sqrt` falls with one over the root of the step, counted in lengths of the warm-up,
      or in steps where there is none (Vaswani et al., "Attention Is All You Need", 2017).
    - `step`, `multi-step` and `exponential` are multiplied by `gamma` every `step_size` epochs,
      after each of `milestones` epochs and after every epoch, `plateau` by `gamma` to the power of
      `reductions` (see `PlateauWatch`); those that fall in the warm-up count in it, too.
    """
    warm_steps = config.warmup * steps
    name = config.name
    if name in _SPREAD_OVER_ALL_STEPS:
        if step <= warm_steps:
            return step / math.ceil(warm_steps)
        progress = min(1.0, (step - warm_steps) / max(1.0, steps - warm_steps))
        return _FINAL_SHARE + (1.0 - _FINAL_SHARE) * _fall(config, progress)
    warmth = step / math.ceil(warm_steps) if step <= warm_steps else 1.0
    if name == "constant":
        return warmth
    if name == "inverse-sqrt":
        return warmth if warmth < 1.0 else math.sqrt(max(1, math.ceil(warm_steps)) / step)
    falls = _falls(config, (step - 1) // steps_per_epoch, reductions)
    return max(_SMALLEST_SHARE, warmth * math.pow(config.gamma, falls))


def _fall(config: ScheduleConfig, progress: float) -> float:
    """From 1 to 0 while `progress` goes from 0 to 1."""
    if config.name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    if config.name == "polynomial":
        return math.pow(1.0 - progress, config.power)
    return 1.0 - progress


def _falls(config: ScheduleConfig, epoch: int, reductions: int) -> int:
    """How often the learning rate has been multiplied by gamma, after `epoch` whole epochs."""
    if config.name == "plateau":
        return reductions
    if config.name == "step":
        return epoch // config.step_size
    if config.name == "multi-step":
        return bisect_right(parse_milestones(config.milestones), epoch)
    return epoch


@functools.lru_cache(maxsize=16)
def parse_milestones(text: str) -> tuple[int, ...]:
    """The numbers of epochs in a text like `30,60`, which may be empty."""
    return tuple(int(number) for number in text.split(",") if number)


class PlateauWatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the schedule `plateau` has seen so far; a checkpoint keeps it.

    `reductions` counts how often the learning rate was to fall, `bad_epochs` the validations
    without a better loss since the best one or the last fall.
    """

    best_loss: float = WORST_LOSS
    bad_epochs: Annotated[int, Meta(ge=0)] = 0
    reductions: Annotated[int, Meta(ge=0)] = 0

    def observe(self, loss: float, patience: int) -> PlateauWatch:
        """The watch after one more validation, whose loss is bad where it is not finite.

        More than `patience` bad ones in a row are a plateau: one reduction more, and the count
        begins anew.
        """
        if math.isfinite(loss) and loss < self.best_loss:
            return msgspec.structs.replace(self, best_loss=loss, bad_epochs=0)
        if self.bad_epochs < patience:
            return msgspec.structs.replace(self, bad_epochs=self.bad_epochs + 1)
        return msgspec.structs.replace(self, bad_epochs=0, reductions=self.reductions + 1)
