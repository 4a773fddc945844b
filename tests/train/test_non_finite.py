"""What becomes of a run whose loss or gradient is not finite: stop, skip or roll back."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.train.runs import Runs, assert_same_run, epochs, live_steps, messages, read_log
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.data.batches import Batch
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DeviceError, ReportedError
from tui_trainer.models import zoo
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.train import non_finite, reporting
from tui_trainer.train.step import Stepper
from tui_trainer.train.tracing import Birth
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


def _diagnosed(folder: RunFolder) -> list[events.Diagnosed]:
    return [event for event in read_log(folder) if isinstance(event, events.Diagnosed)]


def _fail(runs: Runs, **settings: Any) -> tuple[RunFolder, ReportedError]:
    folder, config = runs.create(**settings)
    with pytest.raises(ReportedError) as caught:
        runs.train(folder, config)
    assert caught.value.code == "non-finite"
    assert read_run(folder).state == "failed"
    return folder, caught.value


# Weights that grow beyond all numbers within a few steps, all of which leave in one block.
_DIVERGING = {"model__name": "mlp", "optimizer__name": "sgd", "optimizer__lr": 1e6}


def test_a_run_that_diverges_names_the_layer_and_keeps_the_batch(runs: Runs) -> None:
    folder, error = _fail(runs, **_DIVERGING)
    (found,) = _diagnosed(folder)
    bad = [step for step, row in live_steps(folder).items() if not _is_finite(row)]
    assert found.step == min(bad)
    assert (found.code, found.severity) == ("T303", "error")
    file = f"non-finite/step-{found.step:08}.safetensors"
    sizes = r"inputs up to [\d.e+]+ and weights up to [\d.e+]+"
    seen = rf"NaN or infinity in the (output|gradient) of .*\(Linear\)(, of {sizes})?\. "
    assert re.match(rf"{seen}Batch {found.step} of epoch 1, kept as {file}\.$", found.seen)
    assert "smaller --lr" in found.advice == error.hint
    told = rf"(Linear\): loss or gradient was not finite at step {found.step}; that update was"
    assert re.match(rf"NaN or infinity in the (output|gradient) of .*\{told} not applied\.$",
                    error.message)  # fmt: skip
    batch = load_file(folder.path / file)
    assert batch.keys() == {"x", "labels", "samples"}
    assert batch["x"].shape == (32, 1, 28, 28)
    labels_N = load_split(runs.data_dir, "mnist", "train")[1]
    assert batch["labels"].tolist() == labels_N[batch["samples"].numpy()].tolist()
    assert len(set(batch["samples"].tolist())) == 32


class _Rooted(nn.Module):
    """A layer whose output is 0 under a square root."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(784, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.head(x.flatten(1))
        return logits + (logits * 0).square().sum(1, keepdim=True).sqrt()


@pytest.mark.parametrize("settings", [{}, {"augment__mixup": 0.4}, {"average__name": "ema"}])
def test_an_operation_is_named_with_what_to_do_about_it(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Rooted())
    folder, error = _fail(runs, model__name="mlp", **settings)
    line = _Rooted.forward.__code__.co_firstlineno + 2
    assert error.message.startswith(
        f"NaN or infinity in the gradient of sqrt in the model (_Rooted) at "
        f"test_non_finite.py:{line}: loss or gradient"
    )
    assert "slope of a square root" in error.hint
    batch = load_file(next((folder.path / "non-finite").iterdir()))
    assert ("mixed_labels" in batch) == bool(settings.get("augment__mixup"))


def test_a_run_that_rolls_back_tells_where_it_went_wrong(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "_MOST", 1)
    folder, _ = _fail(runs, **_DIVERGING, training__non_finite="rollback")
    assert {found.code for found in _diagnosed(folder)} == {"T303"}
    assert any(
        "(Linear): loss or gradient" in text and "Rolled back" in text for text in messages(folder)
    )


def test_what_does_not_happen_again_is_not_made_up(runs: Runs, poison: Poison) -> None:
    poison([3])
    folder, error = _fail(runs, **_SETTINGS)
    (found,) = _diagnosed(folder)
    assert found.seen.startswith("Repeated on cpu, the step had finite numbers only. Batch 3 of")
    assert "--detect-anomaly" in found.advice
    assert error.message.startswith("Loss or gradient was not finite at step 3;")


def test_a_batch_that_cannot_be_kept_is_no_other_failure(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(non_finite, "replace_file", refuse)
    folder, _ = _fail(runs, **_DIVERGING)
    (found,) = _diagnosed(folder)
    assert "which could not be kept: No space left on device." in found.seen


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise OSError("no words")


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (DeviceError("Not even one.", "Buy memory."), "DeviceError: Not even one"),
        (ValueError("own check\nof many lines"), "ValueError: own check"),
        (_Unspeakable(), "_Unspeakable, whose text cannot be had: OSError"),
    ],
)
def test_a_step_that_cannot_be_repeated_is_told_of(
    runs: Runs, poison: Poison, monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(non_finite, "trace_step", refuse)
    poison([3])
    folder, error = _fail(runs, **_SETTINGS)
    (found,) = _diagnosed(folder)
    could_not = f"The step could not be repeated to find where: {told}."
    assert found.seen.startswith(f"{could_not} Batch 3 of epoch 1, kept as non-finite/step-")
    assert found.advice == error.hint
    assert error.message.startswith("Loss or gradient was not finite at step 3;")
    poison([15])
    rolled_back = runs.finish(**_SETTINGS, **_SAVES, training__non_finite="rollback")
    assert read_run(rolled_back).state == "finished"


def test_samples_that_are_not_finite_are_named() -> None:
    batch = Batch(torch.ones(8, 3), torch.zeros(8, dtype=torch.int64))
    batch.x[2, 1], batch.x[5, 0] = math.nan, math.inf
    told = non_finite._describe(Birth("batch"), batch, torch.arange(100, 108), torch.device("cpu"))
    assert told == "NaN or infinity in what the model is given, training sample 102, 105."
    batch.x[:] = math.nan
    told = non_finite._describe(Birth("batch"), batch, torch.arange(100, 108), torch.device("cpu"))
    assert told.endswith("training sample 100, 101, 102, 103, 104 and 3 more.")


@pytest.mark.filterwarnings("ignore:Error detected in SqrtBackward0")
def test_anomalies_are_found_as_they_happen(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Rooted())
    folder, error = _fail(runs, model__name="mlp", training__detect_anomaly=True)
    assert "at step 1;" in error.message
    assert "gradient of sqrt" in error.message
    # Nothing of the step reached the log, as it broke off.
    assert live_steps(folder) == {}


def test_steps_before_one_that_broke_off_are_in_the_log(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Stepper._differentiate

    def differentiate(self: Any, batch: Any, backward: Any) -> Any:
        if len(seen) == 6:
            raise RuntimeError("Function 'SqrtBackward0' returned nan values in its 0th output.")
        seen.append(batch)
        return real(self, batch, backward)

    seen: list[Any] = []
    monkeypatch.setattr(Stepper, "_differentiate", differentiate)
    folder, error = _fail(runs, model__name="mlp")
    assert "not finite at step 7;" in error.message
    assert live_steps(folder).keys() == set(range(1, 7))


def test_looking_for_anomalies_changes_no_number(runs: Runs) -> None:
    plain = runs.finish(**_SETTINGS)
    assert_same_run(plain, runs.finish(**_SETTINGS, training__detect_anomaly=True), 20)
    assert torch.is_anomaly_enabled()
    runs.finish(**_SETTINGS, training__epochs=1)
    assert not torch.is_anomaly_enabled()


def test_a_norm_that_overflows_alone_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of 1e20 are numbers, and the sum of their squares is none."""
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Steep())
    folder, error = _fail(runs, model__name="mlp")
    (found,) = _diagnosed(folder)
    assert found.seen.startswith(
        "The gradient, of which that of head.weight is the largest, has no finite norm."
    )
    assert "smaller --lr" in error.hint


class _Steep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(784, 10)
        with torch.no_grad():
            self.head.weight.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1) * 1e21)
