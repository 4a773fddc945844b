"""Mistakes that no single field shows: settings that contradict or need each other."""

from __future__ import annotations

import itertools
import math

from tui_trainer.core.config.data import DataConfig
from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.config.training import TrainingConfig
from tui_trainer.core.schedules import parse_milestones
from tui_trainer.errors import ConfigError

LARGEST_LR_SCALE = 1e6


def check_schedule(config: ScheduleConfig, validation: float) -> list[ConfigError]:
    """What is wrong with a schedule, for a run that validates on the share `validation`.

    Fields that the schedule does not use are not looked at.
    """
    if config.name == "multi-step":
        return _check_milestones(config.milestones)
    if config.name == "plateau" and validation == 0:
        return [
            ConfigError(
                "schedule.name is plateau, which watches the validation, but data.validation is 0.",
                "Hold out a share, as with --validation 0.1, or choose another schedule.",
                key="schedule.name",
            )
        ]
    return []


def check_training(config: TrainingConfig, validation: float) -> list[ConfigError]:
    """What is wrong with how long to train, for a run that validates on the share `validation`."""
    if config.early_stopping and validation == 0:
        return [
            ConfigError(
                f"training.early_stopping is {config.early_stopping}, which watches the "
                "validation, but data.validation is 0.",
                "Hold out a share, as with --validation 0.1, or set training.early_stopping to 0.",
                key="training.early_stopping",
            )
        ]
    return []


def check_balance(data: DataConfig, loss: LossConfig) -> list[ConfigError]:
    """What does not go together with an epoch of as many samples of each class."""
    reasons = {
        "loss.class_weights makes up for unequal classes, too, so that rare ones would count too "
        "much": loss.class_weights == "balanced",
        "loss.ignore_index leaves out a class that it would give a whole share": (
            loss.ignore_index != LossConfig().ignore_index
        ),
    }
    return [
        ConfigError(
            f"data.balance takes as many samples of each class, but {reason}.",
            "Leave one of them out.",
            key="data.balance",
        )
        for reason, holds in reasons.items()
        if data.balance and holds
    ]


def check_anomaly(training: TrainingConfig, hardware: HardwareConfig) -> list[ConfigError]:
    """What goes on past steps that are not finite, where the first of them is to end the run."""
    asked = [
        key
        for key, is_on in (
            ("training.detect_anomaly", training.detect_anomaly),
            ("hardware.debug_cuda", hardware.debug_cuda),
        )
        if is_on
    ]
    other, mend = "", ""
    if training.non_finite == "skip":
        other, mend = "training.non_finite is skip", "Set training.non_finite to stop"
    elif hardware.precision == "fp16":
        other, mend = "fp16 finds its scale by such numbers", "Choose another --precision"
    if not asked or not other:
        return []
    return [
        ConfigError(
            f"{asked[0]} ends a run at the first NaN, but {other}.",
            f"{mend}, or leave {asked[0]} out.",
            key=asked[0],
        )
    ]


def _check_milestones(text: str) -> list[ConfigError]:
    epochs = parse_milestones(text)
    if not epochs:
        return [
            ConfigError(
                "schedule.name is multi-step, but schedule.milestones is empty.",
                "Give the epochs after which to fall, like 30,60.",
                key="schedule.milestones",
            )
        ]
    if epochs[0] == 0 or any(later <= earlier for earlier, later in itertools.pairwise(epochs)):
        return [
            ConfigError(
                f"schedule.milestones is {text!r}, but epochs must be above 0 and increase.",
                "Give each epoch once, the smallest first, like 30,60.",
                key="schedule.milestones",
            )
        ]
    return []


def check_optimizer(config: OptimizerConfig) -> list[ConfigError]:
    """What is wrong with an optimizer's settings."""
    errors = []
    if config.nesterov and config.name != "sgd":
        errors.append(
            ConfigError(
                f"optimizer.nesterov is for sgd, but optimizer.name is {config.name}.",
                "Choose sgd, or leave nesterov out.",
                key="optimizer.nesterov",
            )
        )
    elif config.nesterov and config.momentum == 0:
        errors.append(
            ConfigError(
                "optimizer.nesterov needs momentum, but optimizer.momentum is 0.",
                "Give a momentum like 0.9, or leave nesterov out.",
                key="optimizer.nesterov",
            )
        )
    try:
        parse_lr_scales(config.lr_scales)
    except ConfigError as error:
        errors.append(error)
    return errors


def decay_warning(config: OptimizerConfig) -> str | None:
    """What to say of weight decay under plain Adam, else None.

    Adam divides the decay by the size of the gradients as it does the gradients themselves, so
    that weights with large gradients are hardly decayed (Loshchilov, Hutter, "Decoupled Weight
    Decay Regularization", 2019).
    """
    if config.name != "adam" or config.weight_decay == 0:
        return None
    return (
        "Adam scales weight decay with its steps, so that it hardly acts where gradients are "
        "large; adamw decays all weights alike."
    )


def parse_lr_scales(text: str) -> tuple[tuple[str, float], ...]:
    """The patterns and factors in a text like `conv*=0.1,head=2`, which may be empty.

    Raises:
        ConfigError: the text is not of that form.
    """
    if not text.strip():
        return ()
    scales: dict[str, float] = {}
    for item in text.split(","):
        pattern, equals, number = (part.strip() for part in item.partition("="))
        if not pattern or not equals:
            raise _scale_error(f"{item.strip()!r} in it is not a name and a factor")
        if pattern in scales:
            raise _scale_error(f"it names {pattern!r} twice")
        scales[pattern] = _parse_factor(pattern, number)
    return tuple(scales.items())


def _parse_factor(pattern: str, number: str) -> float:
    try:
        factor = float(number)
    except ValueError:
        factor = math.nan
    if not 0 < factor <= LARGEST_LR_SCALE:
        raise _scale_error(
            f"the factor of {pattern!r} is {number!r} and not a number above 0 "
            f"and up to {LARGEST_LR_SCALE:.0f}"
        )
    return factor


def _scale_error(reason: str) -> ConfigError:
    return ConfigError(
        f"optimizer.lr_scales cannot be read: {reason}.",
        "Give names and factors like conv*=0.1,head=2; to keep weights as they are, freeze them.",
        key="optimizer.lr_scales",
    )
