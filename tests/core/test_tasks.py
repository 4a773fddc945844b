"""The loss and the choosing figure of each task."""

from __future__ import annotations

import math

import pytest

from tests import builders
from tests.specs import task_spec
from tui_trainer.core import events
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.job_reports import describe_evaluation, describe_parity
from tui_trainer.core.metric_direction import direction_of
from tui_trainer.core.presets import default_preset
from tui_trainer.core.run_state import RunSnapshot, apply
from tui_trainer.core.specs import Kind, Task
from tui_trainer.core.tasks import LOSSES, choose_loss, choosing_metric, our_losses


@pytest.mark.parametrize("task", LOSSES)
def test_auto_is_the_first_loss_of_the_task(task: Task) -> None:
    assert LossConfig().name == "auto"
    assert choose_loss(LossConfig(), task_spec(task)) == LOSSES[task][0]
    for name in LOSSES[task]:
        assert name in our_losses()
        assert choose_loss(LossConfig(name=name), task_spec(task)) == name


def test_a_loss_of_ones_own_fits_any_task() -> None:
    for task in LOSSES:
        assert choose_loss(LossConfig(name="own.py:f"), task_spec(task)) == "own.py:f"
    ignoring = LossConfig(name="own.py:f", ignore_index=1)
    assert choose_loss(ignoring, task_spec()) == "own.py:f"


def test_what_chooses_the_best_is_a_figure_whose_direction_is_known() -> None:
    assert choosing_metric(task_spec()) == "accuracy"
    assert choosing_metric(task_spec("multilabel")) == "f1"
    one = task_spec("regression", targets=("height",), label_mean=(0.0,), label_std=(1.0,))
    assert choosing_metric(one) == "rmse"
    assert choosing_metric(task_spec("regression")) == "r2"
    directions = {"accuracy": 1, "f1": 1, "r2": 1, "auc": 1, "rmse": -1, "mae": -1, "mse": -1}
    assert {name: direction_of(name) for name in directions} == directions


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("rmse", [5.0, 4.0, 4.5], 20),
        ("rmse", [5.0, 5.0, math.nan], 10),
        ("r2", [-0.5, 0.1, 0.05], 20),
        ("f1", [0.0, 0.0, 0.2], 30),
    ],
)
def test_the_run_tells_what_its_best_is_chosen_by(
    metric: str, values: list[float], best: int
) -> None:
    snapshot = apply(RunSnapshot(), builders.session_start(metric=metric))
    for step, value in zip((10, 20, 30), values, strict=True):
        # Accuracy, which gets worse here, has no say.
        metrics = {"loss": 1.0, "accuracy": 1 / step, metric: value}
        snapshot = apply(snapshot, builders.evaluated(step=step, metrics=metrics))
    assert snapshot.best is not None
    assert (snapshot.best.metric, snapshot.best.step) == (metric, best)


def test_of_equal_errors_the_lower_loss_is_best() -> None:
    before = events.Best.choose(None, {"rmse": 3.0, "loss": 0.2}, 10, "rmse")
    after = events.Best.choose(before, {"rmse": 3.0, "loss": 0.1}, 20, "rmse")
    assert after is not None and after.step == 20


def test_a_log_without_the_metrics_name_is_one_of_accuracy() -> None:
    assert apply(RunSnapshot(), builders.session_start()).metric == "accuracy"


@pytest.mark.parametrize("kind", ["image", "table", "tokens"])
@pytest.mark.parametrize("task", LOSSES)
def test_large_data_are_gone_through_less_often(kind: Kind, task: Task) -> None:
    epochs = [
        default_preset(kind, task, count)["training.epochs"]
        for count in (100, 50_000, 1_000_000, 10**8)
    ]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == default_preset(kind, task)["training.epochs"] > epochs[-1] >= 1


def test_reports_of_jobs_tell_the_figures_of_the_task() -> None:
    head = {"run": "run1", "checkpoint": "step-1", "split": "test", "count": 9, "loss": 0.5}
    told = describe_evaluation(head | {"rmse": 54.321, "mae": 40.0, "r2": None}, ["m.py:own"])
    assert "rmse 54.3210  mae 40.0000  loss 0.5000" in told
    assert "accuracy" not in told and "r2" not in told
    parity = {"samples": 9, "max_abs_diff": 1e-5, "top1_agreement": None}
    assert describe_parity(parity).endswith("test samples: outputs within 1.0e-05")
    assert "the same labels on 50.00%, outputs" in describe_parity(
        parity | {"label_agreement": 0.5}
    )
