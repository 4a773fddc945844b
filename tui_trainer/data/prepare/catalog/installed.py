"""The small datasets that scikit-learn ships.

Sources: UCI "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak 1998), test part: 1,797
digits of 8×8 pixels in 17 grey levels; UCI "Iris" (Fisher 1936); UCI "Wine" (Aeberhard, Forina
1991); UCI "Breast Cancer Wisconsin (Diagnostic)" (Wolberg, Mangasarian, Street, Street 1993); the
diabetes data of "Least Angle Regression" (Efron, Hastie, Johnstone, Tibshirani 2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog.arrays import OriginalPart, open_arrays
from tui_trainer.data.prepare.source import SPLITS, AnyLabels, Source
from tui_trainer.data.split import split_off

_USUAL = PreparationConfig()
_SPLIT_SEEDS = {"digits": 1998}
_SPLIT_SEED = 1991


def open_installed(entry: DatasetEntry, preparation: PreparationConfig) -> Source:
    """A dataset of scikit-learn.

    None has an official test part; a fixed fifth is held out, the same for all, unless another
    share or seed is asked for. It has a fifth of each class.
    """
    bunch = _load(entry.name)
    labels: AnyLabels
    if entry.task == "regression":
        labels = bunch.target.astype(np.float32)[:, None]
    else:
        labels = bunch.target.astype(np.int64)
    if entry.kind == "image":
        inputs = bunch.images.astype(np.uint8)
    else:
        inputs = bunch.data.astype(np.float32)
    seed = preparation.seed
    is_usual = (preparation.test, seed) == (_USUAL.test, _USUAL.seed)
    if is_usual:
        seed = _SPLIT_SEEDS.get(entry.name, _SPLIT_SEED)
    how = "a fixed fifth" if is_usual else f"a share of {preparation.test:g}"
    return open_arrays(
        entry,
        [OriginalPart("train", inputs, labels)],
        preparation,
        f"scikit-learn, {how} held out for testing",
        splits_N=_hold_out(labels, preparation.test, seed),
        features=() if entry.kind == "image" else tuple(map(str, bunch.feature_names)),
    )


def _hold_out(labels: AnyLabels, share: float, seed: int) -> npt.NDArray[np.int8]:
    splits_N = np.zeros(len(labels), np.int8)
    splits_N[split_off(labels, share, seed)[1]] = SPLITS.index("test")
    return splits_N


def _load(name: str) -> Any:
    from sklearn import datasets

    if name == "diabetes":
        # As they were measured: what is learnt from is normalised by training.
        return datasets.load_diabetes(scaled=False)
    loaders = {
        "digits": datasets.load_digits,
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast-cancer": datasets.load_breast_cancer,
    }
    return loaders[name]()
