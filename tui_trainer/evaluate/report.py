"""The report of an evaluation: per class or target, confusions, the worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import DatasetSpec
from tui_trainer.evaluate.figures import average_precision, errors_of, f1_of, mean_known, share
from tui_trainer.evaluate.judgement import (
    ClassJudgement,
    Judgement,
    LabelJudgement,
    TargetJudgement,
)
from tui_trainer.store.atomic import new_folder, write_durable

_NUM_MISTAKES = 20


def make_report(judgement: Judgement, spec: DatasetSpec) -> dict[str, Any]:
    """The metrics, and by the dataset's task what `_report_classes` and its like tell.

    A share of nothing, such as the precision of a class that was never predicted, is None.
    """
    head = {"count": judgement.count, "task": spec.task, **judgement.metrics}
    match judgement:
        case ClassJudgement():
            return head | _report_classes(judgement, spec.classes)
        case LabelJudgement():
            return head | _report_labels(judgement, spec.classes)
        case TargetJudgement():
            return head | _report_targets(judgement, spec.targets)
        case _:
            raise AssertionError(f"no report is made of a {type(judgement).__name__}")


def _report_classes(judgement: ClassJudgement, classes: tuple[str, ...]) -> dict[str, Any]:
    """Per class precision, recall and F1, and their means over the classes that occur.

    `confusion[i][j]` counts samples of class i taken for class j. In a mean a class that was never
    predicted has precision 0. Of more than ten classes also `top5_accuracy`.
    """
    num_classes = len(classes)
    pairs_N = judgement.labels_N * num_classes + judgement.predicted_N
    confusion_KK = np.bincount(pairs_N, minlength=num_classes**2).reshape(num_classes, -1)
    right_K, true_K = np.diagonal(confusion_KK), confusion_KK.sum(axis=1)
    rows = _class_rows(classes, right_K, true_K, confusion_KK.sum(axis=0))
    top5 = judgement.in_top5_N
    return {
        **({} if top5 is None else {"top5_accuracy": share(top5.sum(), len(top5))}),
        "macro": _means([row for row in rows if row["f1"] is not None]),
        "classes": rows,
        "confusion": confusion_KK.tolist(),
        "mistakes": _worst_mistakes(judgement, classes),
    }


def _report_labels(judgement: LabelJudgement, classes: tuple[str, ...]) -> dict[str, Any]:
    """Per label precision, recall, F1 and average precision, and their means over all labels.

    `micro` is precision and recall over all labels together. In a mean what is unknown counts as
    0, but for the average precision of a label that no sample has, which does not count.
    """
    labels_NK, predicted_NK = judgement.labels_NK, judgement.predicted_NK
    right_K = (labels_NK & predicted_NK).sum(axis=0)
    true_K, found_K = labels_NK.sum(axis=0), predicted_NK.sum(axis=0)
    rows = _class_rows(classes, right_K, true_K, found_K)
    for k, row in enumerate(rows):
        row["average_precision"] = average_precision(labels_NK[:, k], judgement.logits_NK[:, k])
    ranked = mean_known([row["average_precision"] for row in rows])
    return {
        "macro": _means(rows) | {"average_precision": ranked},
        "micro": {
            "precision": share(right_K.sum(), found_K.sum()),
            "recall": share(right_K.sum(), true_K.sum()),
        },
        "classes": rows,
        "mistakes": _worst_label_mistakes(judgement, classes),
    }


def _class_rows(
    classes: tuple[str, ...],
    right_K: npt.NDArray[np.int64],
    true_K: npt.NDArray[np.int64],
    found_K: npt.NDArray[np.int64],
) -> list[dict[str, Any]]:
    columns = zip(classes, right_K.tolist(), true_K.tolist(), found_K.tolist(), strict=True)
    return [
        {
            "class": name,
            "count": true,
            "precision": share(right, found),
            "recall": share(right, true),
            "f1": f1_of(right, found - right, true - right),
        }
        for name, right, true, found in columns
    ]


def _means(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """The mean of each figure over the rows, where what is unknown counts as 0."""
    names = ("precision", "recall", "f1")
    return {name: mean_known([row[name] or 0.0 for row in rows]) for name in names}


def _worst_mistakes(judgement: ClassJudgement, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "index": int(judgement.index_N[n]),
            "label": classes[judgement.labels_N[n]],
            "predicted": classes[judgement.predicted_N[n]],
            "confidence": float(judgement.confidence_N[n]),
            "loss": float(judgement.loss_N[n]),
        }
        for n in _worst(judgement, judgement.labels_N != judgement.predicted_N)
    ]


def _worst_label_mistakes(
    judgement: LabelJudgement, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    labels_NK, predicted_NK = judgement.labels_NK, judgement.predicted_NK
    return [
        {
            "index": int(judgement.index_N[n]),
            "labels": [classes[k] for k in np.flatnonzero(labels_NK[n])],
            "predicted": [classes[k] for k in np.flatnonzero(predicted_NK[n])],
            "loss": float(judgement.loss_N[n]),
        }
        for n in _worst(judgement, (labels_NK != predicted_NK).any(axis=1))
    ]


def _worst(judgement: Judgement, is_wrong_N: npt.NDArray[np.bool_]) -> list[int]:
    """The places of the mistakes with the greatest loss, the greatest first."""
    wrong = np.flatnonzero(is_wrong_N)
    order = np.argsort(-judgement.loss_N[wrong], kind="stable")
    places: list[int] = wrong[order][:_NUM_MISTAKES].tolist()
    return places


def _report_targets(judgement: TargetJudgement, targets: tuple[str, ...]) -> dict[str, Any]:
    """Per target its errors and R², and the predictions that are the most wrong.

    How wrong one is, `deviations`, is told in deviations of its target over the training samples,
    so that targets of different units compare.
    """
    errors = errors_of(judgement.labels_NT, judgement.predicted_NT)
    rows = [
        {"target": name, **{figure: float(values_T[t]) for figure, values_T in errors.items()}}
        for t, name in enumerate(targets)
    ]
    error_NT = judgement.predicted_NT.astype(np.float64) - judgement.labels_NT
    size_NT = np.abs(error_NT) / judgement.std_T
    worst = np.argsort(-size_NT, axis=None, kind="stable")[:_NUM_MISTAKES]
    places = zip(*np.unravel_index(worst, size_NT.shape), strict=True)
    mistakes = [
        {
            "index": int(judgement.index_N[n]),
            "target": targets[t],
            "value": float(judgement.labels_NT[n, t]),
            "predicted": float(judgement.predicted_NT[n, t]),
            "error": float(error_NT[n, t]),
            "deviations": float(size_NT[n, t]),
        }
        for n, t in places
    ]
    return {"targets": rows, "mistakes": mistakes}


def write_report(evaluations: Path, name: str, report: dict[str, Any]) -> Path:
    """Publish a report as `evaluations/NAME/report.json`; the path of the file comes back."""
    with new_folder(evaluations / name) as folder:
        write_durable(folder / "report.json", msgspec.json.format(msgspec.json.encode(report)))
    return evaluations / name / "report.json"
