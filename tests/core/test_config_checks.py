"""Settings that contradict or need each other are told."""

from __future__ import annotations

from typing import get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.config.checks import (
    LARGEST_LR_SCALE,
    check_anomaly,
    check_balance,
    check_optimizer,
    check_schedule,
    decay_warning,
    parse_lr_scales,
)
from tui_trainer.core.config.data import DataConfig
from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.config.training import TrainingConfig
from tui_trainer.errors import ConfigError

_SCHEDULES = get_args(get_type_hints(ScheduleConfig)["name"])
_OPTIMIZERS = get_args(get_type_hints(OptimizerConfig)["name"])


@pytest.mark.parametrize(
    ("milestones", "said"),
    [
        ("", "milestones is empty"),
        ("30,20", "increase"),
        ("30,30", "increase"),
        ("0", "above 0"),
        ("0,5", "above 0"),
    ],
)
def test_milestones_must_be_there_and_increase(milestones: str, said: str) -> None:
    [error] = check_schedule(ScheduleConfig(name="multi-step", milestones=milestones), 0.1)
    assert said in error.message
    assert error.hint
    for name in set(_SCHEDULES) - {"multi-step"}:
        assert check_schedule(ScheduleConfig(name=name, milestones=milestones), 0.1) == []


def test_a_plateau_needs_a_validation() -> None:
    [error] = check_schedule(ScheduleConfig(name="plateau"), 0.0)
    assert "data.validation is 0" in error.message
    assert check_schedule(ScheduleConfig(name="plateau"), 0.1) == []


def test_classes_are_balanced_once() -> None:
    data, loss = DataConfig(balance=True), LossConfig(class_weights="balanced")
    [error] = check_balance(data, loss)
    assert error.key == "data.balance"
    [error] = check_balance(data, LossConfig(ignore_index=2))
    assert "ignore_index" in error.message
    assert check_balance(data, LossConfig(class_weights="1,2")) == []
    assert check_balance(DataConfig(), loss) == []


@pytest.mark.parametrize("by_cuda", [False, True])
def test_what_ends_a_run_at_a_nan_may_not_meet_what_goes_on(by_cuda: bool) -> None:
    training = TrainingConfig(detect_anomaly=not by_cuda)
    hardware = HardwareConfig(debug_cuda=by_cuda)
    assert check_anomaly(training, hardware) == []
    key = "hardware.debug_cuda" if by_cuda else "training.detect_anomaly"
    skipping = msgspec.structs.replace(training, non_finite="skip")
    scaled = msgspec.structs.replace(hardware, precision="fp16")
    for given_training, given_hardware in ((skipping, hardware), (training, scaled)):
        [error] = check_anomaly(given_training, given_hardware)
        assert error.key == key
        assert key in error.message and key in error.hint
    assert check_anomaly(TrainingConfig(non_finite="skip"), HardwareConfig(precision="fp16")) == []


@pytest.mark.parametrize("name", _SCHEDULES)
def test_a_right_schedule_is_not_complained_of(name: str) -> None:
    validation = 0.1 if name == "plateau" else 0.0
    assert check_schedule(ScheduleConfig(name=name, milestones="3,6"), validation) == []


@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_nesterov_is_for_sgd(name: str) -> None:
    errors = check_optimizer(OptimizerConfig(name=name, nesterov=True))
    assert [f"optimizer.name is {name}" in error.message for error in errors] == (
        [] if name == "sgd" else [True]
    )
    assert check_optimizer(OptimizerConfig(name=name, momentum=0.0)) == []


def test_nesterov_needs_momentum() -> None:
    [error] = check_optimizer(OptimizerConfig(name="sgd", nesterov=True, momentum=0.0))
    assert "optimizer.momentum is 0" in error.message


def test_every_mistake_is_told() -> None:
    errors = check_optimizer(OptimizerConfig(name="adam", nesterov=True, lr_scales="head"))
    assert len(errors) == 2


@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_decay_under_plain_adam_is_warned_of(name: str) -> None:
    warning = decay_warning(OptimizerConfig(name=name, weight_decay=0.1))
    assert (warning is not None) == (name == "adam")
    assert decay_warning(OptimizerConfig(name=name)) is None


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters=",="), min_size=1)
        .map(str.strip)
        .filter(bool),
        st.floats(0, LARGEST_LR_SCALE, exclude_min=True),
    )
)
def test_names_and_factors_are_read(scales: dict[str, float]) -> None:
    text = " , ".join(f"{pattern} = {factor!r}" for pattern, factor in scales.items())
    assert parse_lr_scales(text) == tuple(scales.items())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("head", "'head' in it"),
        ("head=1,", "'' in it"),
        ("=1", "'=1' in it"),
        ("head=", "factor of 'head'"),
        ("head=ten", "factor of 'head' is 'ten'"),
        ("head=0", "above 0"),
        ("head=-1", "above 0"),
        ("head=nan", "above 0"),
        ("head=inf", "above 0"),
        ("head=1,head=2", "twice"),
    ],
)
def test_what_is_no_name_and_factor_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_lr_scales(text)
    assert said in caught.value.message
    [error] = check_optimizer(OptimizerConfig(lr_scales=text))
    assert error.message == caught.value.message


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        scales = parse_lr_scales(text)
    except ConfigError:
        return
    assert all(pattern and 0 < factor <= LARGEST_LR_SCALE for pattern, factor in scales)
