"""A run's weights mean what they meant when they were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tasks import prepare_stripes
from tui_trainer import paths
from tui_trainer.errors import DatasetError
from tui_trainer.store.run_dataset import keep_spec, recall_spec


def test_inputs_are_normalised_as_in_training(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    assert recall_spec(tmp_path, spec) == spec
    keep_spec(tmp_path, spec)
    now = msgspec.structs.replace(spec, mean=(1.0,), std=(2.0,), origin="other files")
    recalled = recall_spec(tmp_path, now)
    assert (recalled.mean, recalled.std, recalled.origin) == (spec.mean, spec.std, "other files")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": tuple("9876543210")}, "has other classes than"),
        ({"task": "multilabel"}, "has another task than"),
        ({"shape": (1, 32, 32)}, "has another shape of samples than"),
        ({"files": {"vocabulary.json": "x"}}, "has another vocabulary than"),
    ],
)
def test_labels_that_mean_something_else_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    spec = prepare_stripes(tmp_path)
    keep_spec(tmp_path, spec)
    with pytest.raises(DatasetError, match=message) as caught:
        recall_spec(tmp_path, msgspec.structs.replace(spec, **change))
    assert "tuitrain data get mnist" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff"])
def test_a_damaged_manifest_of_a_run_is_told(tmp_path: Path, content: bytes) -> None:
    spec = prepare_stripes(tmp_path)
    (tmp_path / paths.DATASET_MANIFEST).write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        recall_spec(tmp_path, spec)
