"""The report of an evaluation: per class, confusions, the worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tui_trainer.evaluate.metrics import Judgement
from tui_trainer.store.atomic import new_folder, write_durable

_NUM_MISTAKES = 20


def make_report(judgement: Judgement, classes: tuple[str, ...]) -> dict[str, Any]:
    """The metrics, per-class precision and recall, the confusion matrix, the worst mistakes.

    `confusion[i][j]` counts samples of class i taken for class j. A share of nothing is None.
    """
    num_classes = len(classes)
    pairs_N = judgement.labels_N * num_classes + judgement.predicted_N
    confusion_KK = np.bincount(pairs_N, minlength=num_classes**2).reshape(num_classes, -1)
    right_K = np.diagonal(confusion_KK)
    return {
        "count": len(judgement.labels_N),
        **judgement.metrics,
        "classes": [
            {
                "class": name,
                "count": int(confusion_KK[k].sum()),
                "precision": _share(right_K[k], confusion_KK[:, k].sum()),
                "recall": _share(right_K[k], confusion_KK[k].sum()),
            }
            for k, name in enumerate(classes)
        ],
        "confusion": confusion_KK.tolist(),
        "mistakes": _worst_mistakes(judgement, classes),
    }


def _share(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


def _worst_mistakes(judgement: Judgement, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    wrong = np.flatnonzero(judgement.labels_N != judgement.predicted_N)
    worst = wrong[np.argsort(-judgement.loss_N[wrong], kind="stable")][:_NUM_MISTAKES]
    return [
        {
            "index": int(judgement.index_N[n]),
            "label": classes[judgement.labels_N[n]],
            "predicted": classes[judgement.predicted_N[n]],
            "confidence": float(judgement.confidence_N[n]),
            "loss": float(judgement.loss_N[n]),
        }
        for n in worst
    ]


def write_report(evaluations: Path, name: str, report: dict[str, Any]) -> Path:
    """Publish a report as `evaluations/NAME/report.json`; the path of the file comes back."""
    with new_folder(evaluations / name) as folder:
        write_durable(folder / "report.json", msgspec.json.format(msgspec.json.encode(report)))
    return evaluations / name / "report.json"
