"""The small tables that scikit-learn ships.

Sources: UCI "Wine" (Aeberhard, Forina 1991); UCI "Breast Cancer Wisconsin (Diagnostic)" (Wolberg,
Mangasarian, Street, Street 1993).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.data.prepared import Arrays
from tui_trainer.data.split import split_stratified

_TEST_SHARE = 0.2
_SPLIT_SEED = 1991


def read_table(entry: DatasetEntry) -> tuple[Arrays, str]:
    """The rows and labels of `wine` or `breast-cancer` by split, and where they come from.

    The sets have no official test part; a fixed stratified fifth is held out, the same for all.
    """
    bunch = _loader_of(entry.name)()
    table_NF = bunch.data.astype(np.float32)
    labels = bunch.target.astype(np.int64)
    train, test = split_stratified(labels, _TEST_SHARE, _SPLIT_SEED)
    arrays: Arrays = {
        "train": (table_NF[train], labels[train]),
        "test": (table_NF[test], labels[test]),
    }
    return arrays, "scikit-learn, a fixed fifth held out for testing"


def _loader_of(name: str) -> Callable[[], Any]:
    from sklearn import datasets

    loaders: dict[str, Callable[[], Any]] = {
        "wine": datasets.load_wine,
        "breast-cancer": datasets.load_breast_cancer,
    }
    return loaders[name]
