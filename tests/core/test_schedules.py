"""The learning rate is a function of the step, and of plateaus where they are asked for."""

from __future__ import annotations

import math
import warnings
from typing import get_args, get_type_hints

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, lr_scheduler

from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.schedules import PlateauWatch, lr_share

_NAMES = get_args(get_type_hints(ScheduleConfig)["name"])
_SPREAD = ["linear", "polynomial", "cosine", "one-cycle"]
_SMALL = 1e-300

_configs = st.builds(
    ScheduleConfig,
    name=st.sampled_from(_NAMES),
    warmup=st.floats(0, 1, exclude_max=True),
    gamma=st.floats(_SMALL, 1),
    step_size=st.integers(1, 1_000_000),
    milestones=st.lists(st.integers(0, 9_999_999), max_size=5).map(
        lambda epochs: ",".join(map(str, sorted(epochs)))
    ),
    power=st.floats(_SMALL, 100),
)


def _shares(config: ScheduleConfig, steps: int, steps_per_epoch: int = 10) -> list[float]:
    return [
        lr_share(config, step, steps=steps, steps_per_epoch=steps_per_epoch)
        for step in range(1, steps + 1)
    ]


@given(_configs, st.data(), st.integers(1, 10**9), st.integers(1, 10**6), st.integers(0, 10**6))
def test_every_step_has_a_share_of_the_peak(
    config: ScheduleConfig, data: st.DataObject, steps: int, steps_per_epoch: int, reductions: int
) -> None:
    step = data.draw(st.integers(1, steps))
    share = lr_share(
        config, step, steps=steps, steps_per_epoch=steps_per_epoch, reductions=reductions
    )
    assert 0 < share <= 1


@pytest.mark.parametrize("name", ["constant", "inverse-sqrt", *_SPREAD])
def test_warm_up_rises_then_the_schedule_falls(name: str) -> None:
    shares = _shares(ScheduleConfig(name=name, warmup=0.2), 100)
    assert shares[:20] == [step / 20 for step in range(1, 21)]
    assert shares[19:] == sorted(shares[19:], reverse=True)
    last = {"constant": 1.0, "inverse-sqrt": math.sqrt(20 / 100)}
    assert shares[-1] == pytest.approx(last.get(name, 1e-3))


def test_constant_stays() -> None:
    assert set(_shares(ScheduleConfig(), 50)) == {1.0}


@pytest.mark.parametrize(
    ("name", "share"), [("cosine", 0.5), ("linear", 0.5), ("one-cycle", 0.5), ("polynomial", 0.125)]
)
def test_halfway_down(name: str, share: float) -> None:
    config = ScheduleConfig(name=name, power=3)
    assert _shares(config, 100)[49] == pytest.approx(share, abs=1e-3)


def test_the_known_curves_keep_their_bits() -> None:
    """A run that was begun with an earlier version resumes on the same learning rates."""
    steps, warmup = 937, 0.2
    warm_steps = warmup * steps
    for step in range(1, steps + 1):
        progress = (step - warm_steps) / (steps - warm_steps)
        falls = {"cosine": 0.5 * (1.0 + math.cos(math.pi * progress)), "one-cycle": 1.0 - progress}
        for name, fall in falls.items():
            warm = step <= warm_steps
            expected = step / math.ceil(warm_steps) if warm else 1e-3 + (1.0 - 1e-3) * fall
            config = ScheduleConfig(name=name, warmup=warmup)
            assert lr_share(config, step, steps=steps, steps_per_epoch=100) == expected


def test_inverse_sqrt_without_warm_up_counts_from_the_first_step() -> None:
    shares = _shares(ScheduleConfig(name="inverse-sqrt"), 100)
    assert shares[0] == 1.0
    assert shares[24] == pytest.approx(1 / 5)
    assert shares[99] == pytest.approx(1 / 10)


def test_inverse_sqrt_is_that_of_the_paper() -> None:
    warm = 40
    shares = _shares(ScheduleConfig(name="inverse-sqrt", warmup=0.1), 400)
    for step, share in enumerate(shares, start=1):
        assert share == pytest.approx(min(step**-0.5, step * warm**-1.5) * warm**0.5)


def _torch_shares(kind: type, epochs: int, **options: object) -> list[float]:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = kind(optimizer, **options)
    shares = []
    with warnings.catch_warnings():
        # The order of optimizer and scheduler steps does not matter where nothing is trained.
        warnings.filterwarnings("ignore", "Detected call of")
        for _ in range(epochs):
            shares.append(float(optimizer.param_groups[0]["lr"]))
            scheduler.step()
    return shares


@pytest.mark.parametrize("gamma", [0.1, 0.7, 1.0])
def test_falls_by_the_epoch_are_those_of_torch(gamma: float) -> None:
    epochs, steps_per_epoch = 7, 4
    pairs = [
        ({"name": "step", "step_size": 1}, lr_scheduler.StepLR, {"step_size": 1}),
        ({"name": "step", "step_size": 3}, lr_scheduler.StepLR, {"step_size": 3}),
        ({"name": "multi-step", "milestones": "2,5"}, lr_scheduler.MultiStepLR, [2, 5]),
        ({"name": "exponential"}, lr_scheduler.ExponentialLR, {}),
    ]
    for settings, kind, options in pairs:
        config = ScheduleConfig(gamma=gamma, **settings)
        ours = _shares(config, epochs * steps_per_epoch, steps_per_epoch)
        options = {"milestones": options} if isinstance(options, list) else options
        theirs = _torch_shares(kind, epochs, gamma=gamma, **options)
        assert ours == pytest.approx([share for share in theirs for _ in range(steps_per_epoch)])


def test_the_cosine_is_that_of_torch() -> None:
    steps = 60
    ours = _shares(ScheduleConfig(name="cosine"), steps)
    theirs = _torch_shares(lr_scheduler.CosineAnnealingLR, steps + 1, T_max=steps, eta_min=1e-3)
    assert ours == pytest.approx(theirs[1:])


def test_the_polynomial_is_that_of_torch_but_for_its_end() -> None:
    steps = 60
    ours = _shares(ScheduleConfig(name="polynomial", power=2.5), steps)
    theirs = _torch_shares(lr_scheduler.PolynomialLR, steps + 1, total_iters=steps, power=2.5)
    assert ours == pytest.approx(theirs[1:], abs=1.1e-3)


def test_a_plateau_falls_with_its_reductions() -> None:
    config = ScheduleConfig(name="plateau", gamma=0.5)
    for reductions in range(5):
        share = lr_share(config, 7, steps=10, steps_per_epoch=2, reductions=reductions)
        assert share == 0.5**reductions


def test_falls_within_the_warm_up_count() -> None:
    config = ScheduleConfig(name="exponential", gamma=0.5, warmup=0.5)
    shares = _shares(config, 8, steps_per_epoch=2)
    ramp = [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert shares == [warmth * 0.5 ** (i // 2) for i, warmth in enumerate(ramp)]


_losses = st.lists(
    st.sampled_from([0.0, 0.5, 0.75, 1.0, 2.0, math.nan, math.inf]) | st.floats(-10, 10),
    max_size=40,
)


@given(_losses, st.integers(0, 4))
def test_reductions_are_those_of_torch(losses: list[float], patience: int) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="min", factor=0.5, patience=patience, threshold=0.0, eps=0.0
    )
    ours = PlateauWatch()
    for loss in losses:
        theirs.step(loss)
        ours = ours.observe(loss, patience)
        assert 0.5**ours.reductions == optimizer.param_groups[0]["lr"]
        assert ours.bad_epochs == theirs.num_bad_epochs


@given(_losses, st.integers(0, 4))
def test_it_passes_through_json_at_any_time(losses: list[float], patience: int) -> None:
    watch = PlateauWatch()
    for loss in [*losses, -math.inf]:
        assert msgspec.json.decode(msgspec.json.encode(watch), type=PlateauWatch) == watch
        watch = watch.observe(loss, patience)
    assert msgspec.json.decode(msgspec.json.encode(watch), type=PlateauWatch) == watch


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.0, 2.0])
def test_a_loss_that_is_not_better_is_bad(bad: float) -> None:
    watch = PlateauWatch().observe(1.0, 2)
    for count in (1, 2):
        watch = watch.observe(bad, 2)
        assert watch == PlateauWatch(best_loss=1.0, bad_epochs=count)
    assert watch.observe(bad, 2) == PlateauWatch(best_loss=1.0, reductions=1)
    assert watch.observe(0.5, 2) == PlateauWatch(best_loss=0.5)
