"""Judging two classes, many classes, several labels and targets, and the reports of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch import Tensor, nn

from tests.specs import CLASSES, TARGETS, task_spec
from tui_trainer.data.batches import Batch
from tui_trainer.evaluate.metrics import Criteria, judge
from tui_trainer.evaluate.report import make_report, write_report
from tui_trainer.evaluate.targets import TargetScale


def _batches(outputs: Tensor, labels: Tensor) -> list[Batch]:
    parts = zip(outputs.tensor_split((3,)), labels.tensor_split((3,)), strict=True)
    return [Batch(*part) for part in parts]


def test_of_two_classes_the_second_is_the_positive_one() -> None:
    torch.manual_seed(0)
    logits_NK, labels_N = torch.randn(40, 2), torch.arange(40) % 2
    found = judge(nn.Identity(), _batches(logits_NK, labels_N), Criteria()).metrics
    predicted_N, score_N = logits_NK.argmax(1), logits_NK[:, 1] - logits_NK[:, 0]
    assert found["f1"] == pytest.approx(metrics.f1_score(labels_N, predicted_N))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels_N, score_N))
    assert list(found) == ["loss", "accuracy", "f1", "auc"]


@pytest.mark.parametrize("num_classes", [10, 12])
def test_of_many_classes_the_report_tells_the_five_likeliest(num_classes: int) -> None:
    torch.manual_seed(0)
    logits_NK, labels_N = torch.randn(50, num_classes), torch.arange(50) % num_classes
    judgement = judge(nn.Identity(), _batches(logits_NK, labels_N), Criteria())
    report = make_report(judgement, task_spec(classes=tuple(map(str, range(num_classes)))))
    assert list(judgement.metrics) == ["loss", "accuracy"]
    if num_classes == 10:
        assert "top5_accuracy" not in report
    else:
        expected = metrics.top_k_accuracy_score(labels_N, logits_NK, k=5)
        assert report["top5_accuracy"] == pytest.approx(expected)


@given(seed=st.integers(0, 500), count=st.integers(4, 30))
def test_several_labels_agree_with_scikit_learn(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits_NK = torch.randn(count, 3, generator=generator)
    labels_NK = (torch.rand(count, 3, generator=generator) > 0.6).float()
    judgement = judge(nn.Identity(), _batches(logits_NK, labels_NK), Criteria(task="multilabel"))
    report = make_report(judgement, task_spec("multilabel"))
    true, found = labels_NK.numpy().astype(int), (logits_NK > 0).numpy().astype(int)
    expected = nn.functional.binary_cross_entropy_with_logits(logits_NK, labels_NK)
    assert report["loss"] == pytest.approx(expected.item(), rel=1e-5)
    assert report["accuracy"] == pytest.approx(metrics.accuracy_score(true, found))
    assert report["f1"] == pytest.approx(
        metrics.f1_score(true, found, average="micro", zero_division=0)
    )
    scores = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
    }
    for name, score in scores.items():
        each = score(true, found, average=None, zero_division=np.nan)
        values = [np.nan if row[name] is None else row[name] for row in report["classes"]]
        assert values == pytest.approx(each, nan_ok=True)
        assert report["macro"][name] == pytest.approx(
            score(true, found, average="macro", zero_division=0)
        )
    wrong = np.flatnonzero((true != found).any(axis=1))
    assert {mistake["index"] for mistake in report["mistakes"]} <= set(wrong.tolist())
    assert len(report["mistakes"]) == min(20, len(wrong))


def test_a_mistake_tells_the_labels_that_hold_and_those_that_were_said() -> None:
    logits_NK = torch.tensor([[4.0, -4.0, 4.0], [-1.0, -1.0, -1.0]])
    labels_NK = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    judgement = judge(nn.Identity(), [Batch(logits_NK, labels_NK)], Criteria(task="multilabel"))
    (mistake,) = make_report(judgement, task_spec("multilabel"))["mistakes"]
    assert mistake["labels"] == ["cat", "dog"]
    assert mistake["predicted"] == ["cat", "owl"]
    assert judgement.metrics["accuracy"] == 0.5


def _regression(loss_name: str = "mse") -> Criteria:
    scale = TargetScale(task_spec("regression"))
    return Criteria(task="regression", scale=scale, loss_name=loss_name)


def test_targets_are_judged_in_their_own_units() -> None:
    # One deviation too high in the first target of the second sample.
    outputs_NT = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, -1.0]])
    labels_NT = torch.tensor([[170.0, 70.0], [170.0, 70.0], [190.0, 65.0]])
    judgement = judge(nn.Identity(), [Batch(outputs_NT, labels_NT)], _regression())
    assert judgement.loss == pytest.approx(1 / 6)
    assert judgement.metrics["mae"] == pytest.approx((10 / 3 + 0) / 2)
    assert judgement.metrics["rmse"] == pytest.approx(np.sqrt(100 / 3) / 2)
    report = make_report(judgement, task_spec("regression"))
    assert [row["target"] for row in report["targets"]] == list(TARGETS)
    assert report["targets"][1]["rmse"] == 0.0 and report["targets"][1]["r2"] == 1.0
    worst = report["mistakes"][0]
    assert (worst["index"], worst["target"]) == (1, "height")
    assert (worst["value"], worst["predicted"], worst["error"]) == (170.0, 180.0, 10.0)
    assert worst["deviations"] == pytest.approx(1.0)


def test_the_worst_predictions_are_so_by_their_targets_deviations() -> None:
    outputs_NT = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    labels_NT = torch.tensor([[170.0, 70.0], [170.0, 70.0]])
    judgement = judge(nn.Identity(), [Batch(outputs_NT, labels_NT)], _regression())
    worst = make_report(judgement, task_spec("regression"))["mistakes"]
    # 20 of one unit are more than 30 of another.
    assert [(m["target"], m["error"]) for m in worst[:2]] == [("weight", 20.0), ("height", 30.0)]


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_a_regression_is_judged_by_the_loss_it_was_trained_with(name: str) -> None:
    outputs_NT, labels_NT = torch.tensor([[3.0, 0.0]]), torch.tensor([[170.0, 70.0]])
    judgement = judge(nn.Identity(), [Batch(outputs_NT, labels_NT)], _regression(name))
    assert judgement.loss == pytest.approx({"mse": 4.5, "mae": 1.5, "huber": 1.25}[name])


def test_the_users_functions_are_given_targets_in_their_own_units() -> None:
    criteria = Criteria(
        task="regression",
        scale=TargetScale(task_spec("regression")),
        loss=lambda predicted, labels: (predicted - labels).abs().mean(),
        metrics={"mae": lambda predicted, labels: (predicted - labels).abs().max()},
    )
    outputs_NT, labels_NT = torch.tensor([[1.0, 0.0]]), torch.tensor([[170.0, 70.0]])
    judgement = judge(nn.Identity(), [Batch(outputs_NT, labels_NT)], criteria)
    assert judgement.loss == pytest.approx(5.0)
    # The user's own figure stands where it has a name of ours.
    assert judgement.metrics["mae"] == pytest.approx(10.0)


def test_a_report_without_what_cannot_be_known_is_strict_json(tmp_path: Path) -> None:
    outputs_NT, labels_NT = torch.tensor([[1.0, 0.0]]), torch.tensor([[170.0, 70.0]])
    judgement = judge(nn.Identity(), [Batch(outputs_NT, labels_NT)], _regression())
    file = write_report(tmp_path, "step-1", make_report(judgement, task_spec("regression")))
    read = json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert read["r2"] is None and read["targets"][0]["r2"] is None
    logits_NK = torch.full((1, 3), -1.0)
    labels = judge(nn.Identity(), [Batch(logits_NK, logits_NK * 0)], Criteria(task="multilabel"))
    rows = make_report(labels, task_spec("multilabel"))["classes"]
    assert [row["class"] for row in rows] == list(CLASSES)
    assert all(row["precision"] is None and row["average_precision"] is None for row in rows)
