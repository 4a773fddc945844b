"""When a run ends early, slows down at a plateau, and what of its weights is judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.tasks import configure, make_task
from tests.train.runs import (
    Runs,
    assert_same_run,
    evaluations,
    live_steps,
    read_log,
)
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import Checkpoint, read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.config.checks import check_training
from tui_trainer.core.config.training import TrainingConfig
from tui_trainer.errors import RunStateError
from tui_trainer.evaluate.metrics import judge
from tui_trainer.models import zoo
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.train import judging
from tui_trainer.train.averaging import refresh_batch_norm
from tui_trainer.train.setup import Task

_EPOCH = 10  # Steps: 290 of 320 samples in batches of 32.


def _script(monkeypatch: pytest.MonkeyPatch, figures: Iterable[tuple[float, float]]) -> None:
    """Have each validation find the next accuracy and loss; the test finds what is true."""
    script = iter(figures)

    def judge_by_script(model: nn.Module, batches: Any, criteria: Any) -> Any:
        judgement = judge(model, batches, criteria)
        if len(judgement.labels_N) == 80:
            return judgement
        accuracy, loss = next(script)
        is_right_N = np.arange(len(judgement.labels_N)) < round(accuracy * len(judgement.labels_N))
        predicted_N = np.where(is_right_N, judgement.labels_N, (judgement.labels_N + 1) % 10)
        return replace(judgement, predicted_N=predicted_N, loss=loss)

    monkeypatch.setattr(judging, "judge", judge_by_script)


def _last(folder: RunFolder) -> events.Event:
    return read_log(folder)[-1]


def test_a_run_ends_when_its_validation_is_no_longer_better(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(monkeypatch, [(0.5, 1.0), (0.8, 0.7), (0.8, 0.7), (0.6, 0.1), (0.7, 0.9)])
    folder = runs.finish(model__name="mlp", training__epochs=9, training__early_stopping=3)
    ended = _last(folder)
    assert isinstance(ended, events.Finished)
    assert (ended.epoch, ended.step) == (5, 5 * _EPOCH)
    assert ended.reason == "stopped early: validation was not better for 3 epochs"
    assert read_run(folder).state == "finished"
    assert list(evaluations(folder, "validation")) == [10, 20, 30, 40, 50]
    # The weights of the best validation are judged, whatever the training got better at after.
    assert list(evaluations(folder, "test")) == [20]
    assert list_steps(folder.checkpoints)[-1] == 50
    assert 20 in list_steps(folder.checkpoints)


def test_a_validation_that_gets_better_keeps_a_run_going(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of equal accuracies the one with the lower loss is better; the training itself goes nowhere.
    _script(monkeypatch, [(0.5, 1.0), (0.5, 0.9), (0.4, 2.0), (0.5, 0.8), (0.6, 9.0)])
    settings = {"training__epochs": 5, "training__early_stopping": 2, "optimizer__lr": 1e-9}
    folder = runs.finish(model__name="mlp", **settings)
    ended = _last(folder)
    assert isinstance(ended, events.Finished)
    assert (ended.epoch, ended.reason) == (5, "all epochs trained")


def test_a_run_that_has_trained_all_its_epochs_has_not_stopped_early(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(monkeypatch, [(0.5, 1.0)] * 3)
    folder = runs.finish(model__name="mlp", training__epochs=3, training__early_stopping=2)
    ended = _last(folder)
    assert isinstance(ended, events.Finished)
    assert (ended.epoch, ended.reason) == (3, "all epochs trained")


def test_a_resumed_run_ends_early_where_the_whole_one_does(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = [(0.5, 1.0), (0.8, 0.7), (0.8, 0.7), (0.6, 0.1)]
    settings = {"model__name": "mlp", "training__epochs": 9, "training__early_stopping": 2}
    _script(monkeypatch, figures)
    whole = runs.finish(**settings)
    _script(monkeypatch, figures)
    cut, config = runs.create(**settings)
    runs.train(cut, config, stop_at=24)
    runs.train(cut, config, resume=True, stop_at=40)
    runs.train(cut, config, resume=True)
    assert_same_run(whole, cut, 40)
    ended = _last(cut)
    assert isinstance(ended, events.Finished)
    assert (ended.step, ended.reason.split(":")[0]) == (40, "stopped early")


def test_a_run_that_stopped_early_is_not_resumed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    _script(monkeypatch, [(0.5, 1.0)] * 3)
    settings = {"model__name": "mlp", "training__early_stopping": 2}
    folder = runs.finish(training__epochs=9, **settings)
    config = configure(hardware__device="cpu", hardware__threads=1, training__epochs=12, **settings)
    with pytest.raises(RunStateError, match="would do so again") as caught:
        runs.train(folder, config, resume=True)
    assert "--init-from" in caught.value.hint
    assert read_run(folder).state == "finished"
    assert len(evaluations(folder, "test")) == 1


def test_early_stopping_without_a_validation_is_refused() -> None:
    (error,) = check_training(TrainingConfig(early_stopping=3), 0.0)
    assert error.message == (
        "training.early_stopping is 3, which watches the validation, but data.validation is 0."
    )
    assert "--validation 0.1" in error.hint
    assert check_training(TrainingConfig(early_stopping=3), 0.1) == []
    assert check_training(TrainingConfig(), 0.0) == []


def test_a_plateau_slows_the_run_and_is_remembered(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = [1.0, 0.9, 0.9, 0.95, 0.8, 0.8, float("nan"), 0.8]
    settings = {
        "model__name": "mlp",
        "training__epochs": 8,
        "optimizer__lr": 0.1,
        "optimizer__name": "sgd",
        "schedule__name": "plateau",
        "schedule__warmup": 0.0,
        "schedule__gamma": 0.5,
        "schedule__plateau_patience": 1,
    }
    _script(monkeypatch, [(0.5, loss) for loss in losses])
    whole = runs.finish(**settings)
    rates = [live_steps(whole)[_EPOCH * epoch + 1][1] for epoch in range(8)]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025])
    _script(monkeypatch, [(0.5, loss) for loss in losses])
    cut, config = runs.create(**settings)
    for number, stop_at in enumerate((33, 40, 61, None)):
        runs.train(cut, config, resume=number > 0, stop_at=stop_at)
    assert_same_run(whole, cut, 80)


def _judged_loss(task: Task, weights: dict[str, Any]) -> float:
    task.model.load_state_dict(weights)
    assert task.validation is not None
    return judge(task.model, task.validation.in_order(), task.criteria).loss


def _checkpoints(folder: RunFolder) -> dict[int, Checkpoint]:
    return {
        step: read_checkpoint(folder.checkpoints / folder_name(step))
        for step in list_steps(folder.checkpoints)
    }


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_the_averaged_weights_are_judged_and_saved(runs: Runs, name: str) -> None:
    settings = {
        "model__name": "convnet",
        "training__epochs": 4,
        "average__name": name,
        "average__swa_start": 0.75,
        "checkpoints__keep": 99,
    }
    folder = runs.finish(**settings)
    task, saved = make_task(runs.data_dir, **settings), _checkpoints(folder)
    validations, (tested,) = evaluations(folder, "validation"), evaluations(folder, "test").items()
    assert len(saved) >= 3
    for step, checkpoint in saved.items():
        is_plain = name == "swa" and step < 30
        assert (checkpoint.averaged is None) == is_plain
        assert _judged_loss(task, checkpoint.judged) == validations[step]["loss"]
        assert is_plain or _judged_loss(task, checkpoint.model) != validations[step]["loss"]
    step, metrics = tested
    task.model.load_state_dict(saved[step].judged)
    assert judge(task.model, task.test.in_order(), task.criteria).metrics == metrics


@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_norms_of_averaged_epochs_are_taken_anew(runs: Runs, accumulate: int) -> None:
    settings = {
        "model__name": "convnet",
        "training__epochs": 4,
        "average__name": "swa",
        "average__swa_start": 0.5,
        "data__batch_size": 8,
        "optimizer__accumulate": accumulate,
    }
    folder = runs.finish(**settings)
    task, newest = make_task(runs.data_dir, **settings), max(_checkpoints(folder).items())
    step, checkpoint = newest
    assert step == task.steps
    assert checkpoint.state.average_count == 3
    assert checkpoint.averaged is not None
    task.model.load_state_dict(checkpoint.averaged)
    refresh_batch_norm(
        task.model,
        (
            part
            for batch in task.train.shuffled(0, 4)
            # As many samples at a time as go through the model in training.
            for part in batch.x.tensor_split(-(-len(batch.x) // 8))
        ),
    )
    for key, value in task.model.state_dict().items():
        assert torch.equal(value, checkpoint.averaged[key]), key


def _everything(spec: Any) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(4 * 13 * 13, 10),
    )


_ALL_AT_ONCE = {
    "model__name": "mlp",
    "training__epochs": 3,
    "training__early_stopping": 3,
    "augment__crop": 2,
    "augment__translate": 2,
    "augment__flip": 0.5,
    "augment__erase": 0.3,
    "augment__mixup": 0.4,
    "augment__cutmix": 1.0,
    "data__batch_size": 16,
    "optimizer__accumulate": 2,
    "optimizer__clip_norm": 0.5,
    "optimizer__weight_decay": 0.05,
    "optimizer__lr_scales": "0=0.3",
    "loss__label_smoothing": 0.1,
    "loss__class_weights": "balanced",
    "loss__ignore_index": 7,
}


@pytest.mark.parametrize(
    "settings",
    [
        {"average__name": "ema", "schedule__name": "one-cycle", "schedule__warmup": 0.3},
        {"average__name": "swa", "schedule__name": "plateau", "average__swa_start": 0.3},
        {
            "average__name": "ema",
            "hardware__precision": "bf16",
            "hardware__activation_checkpointing": True,
            "data__placement": "stream",
            "data__workers": 0,
        },
    ],
    ids=["ema, one-cycle", "swa, plateau", "bf16, streamed"],
)
@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_with_everything_on_a_resumed_run_is_the_same_to_the_bit(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], optimizer: str
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", _everything)
    settings = _ALL_AT_ONCE | settings | {"optimizer__name": optimizer}
    whole = runs.finish(**settings)
    cut, config = runs.create(**settings)
    for number, stop_at in enumerate((3, 10, 17, None)):
        runs.train(cut, config, resume=number > 0, stop_at=stop_at)
    resumed = [event for event in read_log(cut) if isinstance(event, events.Resumed)]
    assert {event.exactness for event in resumed} == {"exact"}
    assert_same_run(whole, cut, 30)
