"""The figures that a model is judged by, as of scikit-learn's functions of the same names.

Shapes: N samples, K classes, T targets.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def share(part: float, whole: float) -> float | None:
    """A part of a whole; a share of nothing is None."""
    return float(part / whole) if whole else None


def f1_of(right: float, wrongly_found: float, missed: float) -> float | None:
    """The harmonic mean of precision and recall; None where there was nothing to find or found."""
    return share(2 * right, 2 * right + wrongly_found + missed)


def mean_known(values: list[float | None]) -> float | None:
    """The mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def area_under_roc(is_positive_N: Mask, scores_N: npt.NDArray[Any]) -> float:
    """How often a positive sample has a higher score than another, ties half; else not a number.

    By ranks, as of Mann and Whitney: Fawcett, "An introduction to ROC analysis", 2006, section 7.
    """
    num_positive = int(is_positive_N.sum())
    num_negative = len(is_positive_N) - num_positive
    if not num_positive or not num_negative:
        return math.nan
    _, place_N, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
    # The rank of those that are equal is the mean of theirs.
    last_ranks = np.cumsum(counts)
    ranks_N = (last_ranks - (counts - 1) / 2)[place_N]
    surplus = ranks_N[is_positive_N].sum() - num_positive * (num_positive + 1) / 2
    return float(surplus / (num_positive * num_negative))


def average_precision(is_positive_N: Mask, scores_N: npt.NDArray[Any]) -> float | None:
    """The mean of the precisions at each score, by the recall it adds; None without a positive."""
    num_positive = int(is_positive_N.sum())
    if not num_positive:
        return None
    scores, place_N = np.unique(-scores_N, return_inverse=True)
    found = np.cumsum(np.bincount(place_N, weights=is_positive_N, minlength=len(scores)))
    taken = np.cumsum(np.bincount(place_N, minlength=len(scores)))
    added = np.diff(found, prepend=0.0) / num_positive
    return float((found / taken * added).sum())


def errors_of(labels_NT: npt.NDArray[Any], predicted_NT: npt.NDArray[Any]) -> dict[str, Floats]:
    """`rmse`, `mae` and `r2` of each target, float64 T.

    R² compares with always saying the mean; it is not a number where a target is constant.
    """
    true_NT = labels_NT.astype(np.float64)
    error_NT = predicted_NT.astype(np.float64) - true_NT
    squares_T = (error_NT**2).sum(axis=0)
    spread_T = ((true_NT - true_NT.mean(axis=0)) ** 2).sum(axis=0)
    is_constant_T = np.ptp(true_NT, axis=0) == 0
    explained_T = squares_T / np.where(is_constant_T, 1.0, spread_T)
    return {
        "rmse": np.sqrt(squares_T / len(true_NT)),
        "mae": np.abs(error_NT).mean(axis=0),
        "r2": np.where(is_constant_T, np.nan, 1.0 - explained_T),
    }


def mean_finite(values_T: Floats) -> float:
    """The mean of those that are numbers; not a number where none is."""
    known = values_T[~np.isnan(values_T)]
    return float(known.mean()) if len(known) else math.nan
