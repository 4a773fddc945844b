"""How close an exported file has to be to its model, by what the model says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.specs import task_spec
from tui_trainer.core.specs import DatasetSpec, Task
from tui_trainer.errors import ExportError
from tui_trainer.export.parity import Outputs, Parity, _compare


def _targets(mean: float, std: float) -> DatasetSpec:
    facts = {"targets": ("one",), "label_mean": (mean,), "label_std": (std,)}
    return task_spec("regression", **facts)


def _predictions(mean: float, std: float) -> Outputs:
    deviations = np.random.default_rng(0).normal(size=(50, 1))
    return (mean + std * deviations).astype(np.float32)


@given(mean=st.floats(-1e6, 1e6), std=st.floats(1e-3, 1e6))
def test_targets_are_compared_in_their_deviations(mean: float, std: float) -> None:
    expected_NT, spec = _predictions(mean, std), _targets(mean, std)
    rounded_NT = np.nextafter(expected_NT, np.float32(np.inf))
    parity = _compare(expected_NT, rounded_NT, spec)
    assert parity.samples == 50
    assert parity.top1_agreement is parity.label_agreement is None
    # Coarser than float32 itself where the mean is far from 0 for the deviation.
    wrong = max(0.01 * std, 1e-5 * abs(mean))
    with pytest.raises(ExportError, match="disagrees with the model: by ") as caught:
        _compare(expected_NT, expected_NT + np.float32(wrong), spec)
    assert "class" not in caught.value.message


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_what_is_not_a_number_is_a_disagreement(task: Task) -> None:
    spec = task_spec(task)
    expected = np.random.default_rng(0).normal(size=(9, spec.num_outputs)).astype(np.float32)
    for places in ([4], slice(None)):
        exported = expected.copy()
        exported[places] = np.nan
        with pytest.raises(ExportError):
            _compare(expected, exported, spec)


def test_labels_agree_where_those_that_are_likelier_than_not_are_the_same() -> None:
    spec = task_spec("multilabel")
    expected_NK = np.array([[1.0, -1.0, 0.5], [1e-7, -2.0, 3.0]], np.float32)
    assert _compare(expected_NK, expected_NK, spec).label_agreement == 1.0
    # As likely as not: rounding decides, and that is no disagreement.
    exported_NK = expected_NK.copy()
    exported_NK[1, 0] = -1e-7
    parity = _compare(expected_NK, exported_NK, spec)
    assert parity == Parity(
        samples=2, max_abs_diff=parity.max_abs_diff, top1_agreement=None, label_agreement=0.5
    )
    exported_NK[0, 1] = 1.0
    with pytest.raises(ExportError, match=r"the same labels on 0\.00% of 2 samples"):
        _compare(expected_NK, exported_NK, spec)
