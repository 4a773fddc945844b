"""The figures are those of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tui_trainer.evaluate.figures import area_under_roc, average_precision, errors_of, mean_finite

# Few values, so that there are ties.
_SCORED = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=40)


@given(_SCORED)
def test_ranking_agrees_with_scikit_learn(scored: list[tuple[bool, int]]) -> None:
    is_positive_N, scores_N = (np.array(column) for column in zip(*scored, strict=True))
    area = area_under_roc(is_positive_N, scores_N)
    if 0 < is_positive_N.sum() < len(scored):
        assert area == pytest.approx(metrics.roc_auc_score(is_positive_N, scores_N))
    else:
        assert math.isnan(area)
    precision = average_precision(is_positive_N, scores_N)
    if is_positive_N.any():
        expected = metrics.average_precision_score(is_positive_N, scores_N)
        assert precision == pytest.approx(expected)
    else:
        assert precision is None


@given(seed=st.integers(0, 99), count=st.integers(2, 30))
def test_errors_agree_with_scikit_learn(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    labels_NT, predicted_NT = generator.normal(1e4, 7, (2, count, 3)).astype(np.float32)
    errors = errors_of(labels_NT, predicted_NT)
    expected = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    for name, score in expected.items():
        # scikit-learn computes in float32 where the targets are.
        wide = labels_NT.astype(np.float64), predicted_NT.astype(np.float64)
        assert errors[name] == pytest.approx(score(*wide, multioutput="raw_values"))
        assert mean_finite(errors[name]) == pytest.approx(score(*wide))


def test_a_constant_target_has_no_r2() -> None:
    labels_NT = np.array([[5.0, 1.0], [5.0, 2.0]], np.float32)
    errors = errors_of(labels_NT, labels_NT)
    assert math.isnan(errors["r2"][0])
    assert mean_finite(errors["r2"]) == 1.0
    assert errors["rmse"].tolist() == [0.0, 0.0]
    assert math.isnan(mean_finite(errors["r2"][:1]))
