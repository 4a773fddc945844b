"""Datasets as models and losses know them, without any files."""

from __future__ import annotations

from typing import Any

from tui_trainer.core.specs import DatasetSpec, Task

CLASSES = ("cat", "dog", "owl")
TARGETS = ("height", "weight")
TARGET_MEAN, TARGET_STD = (170.0, 70.0), (10.0, 5.0)


def task_spec(task: Task = "classification", **changes: Any) -> DatasetSpec:
    """Rows of a table with three classes, or three labels, or two targets."""
    is_regression = task == "regression"
    facts: dict[str, Any] = {
        "name": "animals",
        "title": "animals by four measures",
        "kind": "table",
        "shape": (4,),
        "classes": () if is_regression else CLASSES,
        "mean": (0.0,) * 4,
        "std": (1.0,) * 4,
        "splits": {},
        "origin": "made for tests",
        "task": task,
        "targets": TARGETS if is_regression else (),
        "label_mean": TARGET_MEAN if is_regression else (),
        "label_std": TARGET_STD if is_regression else (),
    }
    return DatasetSpec(**facts | changes)
