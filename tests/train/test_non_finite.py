"""What becomes of a run whose loss or gradient is not finite: stop, skip or roll back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from tests.train.runs import Runs, assert_same_run, epochs, live_steps, messages, read_log
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.errors import ReportedError
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.train import reporting
from tui_trainer.train.step import Stepper
from tui_trainer.worker import rollback

# 20 steps; batch norm, dropout and averaged weights, so that there is much to spoil.
_SETTINGS = {"model__name": "convnet-small", "average__name": "ema", "optimizer__name": "adamw"}
_SAVES = {"checkpoints__every_steps": 5, "checkpoints__keep": 9}

Poison = Callable[[Iterable[int]], None]


@pytest.fixture
def poison(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Makes the batches of the given steps ones that no model can be trained on."""
    real, poisoned = Stepper.__call__, set[int]()

    def call(self: Any, batch: Any, *, step: int, **given: Any) -> Any:
        if step in poisoned:
            x = batch.x.clone()
            x[0] = math.nan
            batch = batch._replace(x=x)
        return real(self, batch, step=step, **given)

    monkeypatch.setattr(Stepper, "__call__", call)
    return poisoned.update


def _check_clean(folder: RunFolder) -> None:
    """Every checkpoint holds finite numbers only, statistics and averages included."""
    steps = list_steps(folder.checkpoints)
    assert steps
    for step in steps:
        checkpoint = read_checkpoint(folder.checkpoints / folder_name(step))
        for tensors in (checkpoint.model, checkpoint.optimizer_tensors, checkpoint.averaged or {}):
            for name, tensor in tensors.items():
                assert torch.isfinite(tensor).all(), (step, name)


def _is_finite(row: tuple[Any, ...]) -> bool:
    return all(math.isfinite(float(value)) for value in row)


def _rolled_back(folder: RunFolder) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
    found = (event for event in read_log(folder) if isinstance(event, events.Resumed))
    return [(event.from_step, event.left_out) for event in found]


def test_skipped_steps_leave_no_trace(runs: Runs, poison: Poison) -> None:
    healthy = runs.finish(**_SETTINGS, **_SAVES)
    poison([12, 13])
    folder = runs.finish(**_SETTINGS, **_SAVES, training__non_finite="skip")
    assert read_run(folder).state == "finished"
    _check_clean(folder)
    steps = live_steps(folder)
    assert steps.keys() == set(range(1, 21))
    assert [step for step, row in steps.items() if not _is_finite(row)] == [12, 13]
    assert {s: steps[s] for s in range(1, 12)} == {s: live_steps(healthy)[s] for s in range(1, 12)}
    assert all(math.isfinite(figures["loss"]) for figures in epochs(folder))
    assert any("left out: loss or gradient was not finite" in text for text in messages(folder))


def test_nothing_of_a_skipped_step_is_in_the_next_checkpoint(runs: Runs, poison: Poison) -> None:
    poison([6])
    settings = _SETTINGS | {"average__name": "none"}
    folder = runs.finish(**settings, checkpoints__every_steps=1, checkpoints__keep=30,
                         training__non_finite="skip")  # fmt: skip
    before, after = (read_checkpoint(folder.checkpoints / folder_name(step)) for step in (5, 6))
    for name, tensor in before.model.items():
        assert torch.equal(tensor, after.model[name]), name


def test_a_run_that_skips_is_repeated_by_a_resume(runs: Runs, poison: Poison) -> None:
    poison([4, 12])
    whole = runs.finish(**_SETTINGS, training__non_finite="skip")
    cut, config = runs.create(**_SETTINGS, training__non_finite="skip")
    runs.train(cut, config, stop_at=8)
    runs.train(cut, config, resume=True, stop_at=12)
    runs.train(cut, config, resume=True)
    assert_same_run(whole, cut, 20)


def test_a_run_that_would_skip_for_ever_fails(
    runs: Runs, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "_MAX_SKIPPED", 8)
    poison(range(5, 100))
    folder, config = runs.create(**_SETTINGS, training__non_finite="skip")
    with pytest.raises(ReportedError, match="steps in a row up to step") as caught:
        runs.train(folder, config)
    assert caught.value.code == "non-finite"
    assert read_run(folder).state == "failed"


def test_a_run_goes_back_to_a_checkpoint_and_past_the_batches_from_there(
    runs: Runs, poison: Poison
) -> None:
    poison([12])
    folder = runs.finish(**_SETTINGS, **_SAVES, training__non_finite="rollback")
    assert read_run(folder).state == "finished"
    assert _rolled_back(folder) == [(10, ((11, 12),))]
    steps = live_steps(folder)
    assert steps.keys() == set(range(1, 21)) - {11, 12}
    assert all(map(_is_finite, steps.values()))
    _check_clean(folder)
    assert any("Rolled back to step 10" in text for text in messages(folder))


def test_a_run_that_went_back_is_repeated_by_a_resume(runs: Runs, poison: Poison) -> None:
    poison([12])
    settings = _SETTINGS | _SAVES | {"training__non_finite": "rollback"}
    whole = runs.finish(**settings)
    cut, config = runs.create(**settings)
    runs.train(cut, config, stop_at=14)
    runs.train(cut, config, resume=True)
    assert [left_out for _, left_out in _rolled_back(cut)] == [((11, 12),)] * 2
    assert_same_run(whole, cut, 20)


def test_a_checkpoint_that_led_to_trouble_twice_is_set_aside(runs: Runs, poison: Poison) -> None:
    poison([12, 13])
    folder = runs.finish(**_SETTINGS, **_SAVES, training__non_finite="rollback")
    assert read_run(folder).state == "finished"
    assert _rolled_back(folder) == [(10, ((11, 12),)), (5, ((11, 12), (6, 13)))]
    assert live_steps(folder).keys() == {*range(1, 6), *range(14, 21)}
    assert [path.name for path in folder.checkpoints.glob("rolled-back-*")] == [
        f"rolled-back-{folder_name(10)}"
    ]


def test_a_run_without_a_checkpoint_goes_back_to_its_first_step(runs: Runs, poison: Poison) -> None:
    poison([3])
    folder = runs.finish(**_SETTINGS, training__non_finite="rollback")
    assert _rolled_back(folder) == [(0, ((1, 3),))]
    assert live_steps(folder).keys() == set(range(4, 21))


def test_a_run_that_went_back_too_often_fails(
    runs: Runs, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "_MOST", 2)
    poison(range(6, 100))
    folder, config = runs.create(**_SETTINGS, **_SAVES, training__non_finite="rollback")
    with pytest.raises(ReportedError, match="was rolled back 2 times before"):
        runs.train(folder, config)
    assert read_run(folder).state == "failed"
    _check_clean(folder)
