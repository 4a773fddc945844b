"""Judging a model, and the report of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from torch import Tensor, nn

from tests.specs import task_spec
from tui_trainer.data.batches import Batch
from tui_trainer.evaluate.judgement import ClassJudgement
from tui_trainer.evaluate.metrics import Criteria, judge
from tui_trainer.evaluate.report import make_report, write_report

_PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def _judgement(pairs: list[tuple[int, int]]) -> ClassJudgement:
    labels, predicted = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    loss = np.linspace(0, 1, len(pairs), dtype=np.float32)
    return ClassJudgement(
        labels_N=labels,
        predicted_N=predicted,
        loss_N=loss,
        confidence_N=1 - loss / 2,
        index_N=np.arange(len(pairs)),
        loss=float(loss.mean()),
        further={"own": 0.25},
    )


@given(_PAIRS)
def test_the_report_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    judgement = _judgement(pairs)
    report = make_report(judgement, task_spec())
    labels, predicted = judgement.labels_N, judgement.predicted_N
    assert report["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert report["loss"] == judgement.loss
    assert report["own"] == 0.25
    matrix = confusion_matrix(labels, predicted, labels=[0, 1, 2])
    assert report["confusion"] == matrix.tolist()
    options = {"labels": [0, 1, 2], "average": None, "zero_division": np.nan}
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    for name, score in scores.items():
        values = [np.nan if row[name] is None else row[name] for row in report["classes"]]
        assert values == pytest.approx(score(labels, predicted, **options), nan_ok=True)
        mean = score(labels, predicted, average="macro", zero_division=0)
        assert report["macro"][name] == pytest.approx(mean)


def test_the_worst_mistakes_come_first() -> None:
    report = make_report(_judgement([(0, 1), (2, 2), (1, 0), (0, 0), (2, 1)]), task_spec())
    assert [m["index"] for m in report["mistakes"]] == [4, 2, 0]
    assert report["mistakes"][0]["label"] == "owl"
    assert report["mistakes"][0]["predicted"] == "dog"


def test_a_report_is_a_strict_json_file(tmp_path: Path) -> None:
    report = make_report(_judgement([(0, 0)]), task_spec())
    file = write_report(tmp_path, "step-00000001-test", report)
    assert file == tmp_path / "step-00000001-test" / "report.json"
    read = json.loads(file.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert read["classes"][1]["recall"] is None


def _linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 3))


def _batches(x: Tensor, labels: Tensor, *edges: int) -> list[Batch]:
    return [
        Batch(*part) for part in zip(x.tensor_split(edges), labels.tensor_split(edges), strict=True)
    ]


def test_judging_uses_evaluation_mode_and_puts_the_mode_back() -> None:
    model = _linear().train()
    x, y = torch.randn(20, 1, 2, 2), torch.randint(0, 3, (20,))
    batches = _batches(x, y, 13)
    first, second = (judge(model, batches, Criteria()) for _ in range(2))
    assert model.training
    assert isinstance(first, ClassJudgement)
    assert np.array_equal(first.loss_N, second.loss_N)
    expected = nn.functional.cross_entropy(model.eval()(x), y).item()
    assert first.loss == pytest.approx(expected, rel=1e-5)
    assert first.accuracy == pytest.approx((model(x).argmax(1) == y).float().mean().item())
    assert all(p.grad is None for p in model.parameters())


def test_labels_that_are_left_out_do_not_count() -> None:
    model = _linear().eval()
    x, y = torch.randn(20, 1, 2, 2), torch.randint(0, 3, (20,))
    judgement = judge(model, _batches(x, y, 13), Criteria(ignore_index=1))
    expected = judge(model, _batches(x[y != 1], y[y != 1]), Criteria())
    assert isinstance(judgement, ClassJudgement) and isinstance(expected, ClassJudgement)
    assert np.array_equal(judgement.labels_N, expected.labels_N)
    assert judgement.metrics == pytest.approx(expected.metrics)


def test_a_loss_and_metrics_of_ones_own_are_figures() -> None:
    model = _linear().eval()
    x, y = torch.randn(20, 1, 2, 2), torch.randint(0, 3, (20,))
    criteria = Criteria(
        loss=lambda logits, labels: nn.functional.multi_margin_loss(logits, labels),
        metrics={"share_of_first": lambda logits, labels: (logits.argmax(1) == 0).float().mean()},
    )
    # Batches of unequal size: the mean is over samples, not over batches.
    judgement = judge(model, _batches(x, y, 3, 10), criteria)
    expected = nn.functional.multi_margin_loss(model(x), y).item()
    assert judgement.loss == pytest.approx(expected, rel=1e-5)
    assert judgement.metrics["share_of_first"] == pytest.approx(
        (model(x).argmax(1) == 0).float().mean().item()
    )
