"""The digits that scikit-learn ships: 1,797 handwritten digits of 8×8 pixels in 17 grey levels.

Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak 1998), test part.
"""

from __future__ import annotations

import numpy as np

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.data.prepared import Arrays
from tui_trainer.data.split import split_stratified

_TEST_SHARE = 0.2
_SPLIT_SEED = 1998


def read_digits(entry: DatasetEntry) -> tuple[Arrays, str]:
    """The images and labels by split, and where they come from.

    The set has no official test part; a fixed stratified fifth is held out, the same for all.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    train, test = split_stratified(labels, _TEST_SHARE, _SPLIT_SEED)
    arrays: Arrays = {
        "train": (images[train], labels[train]),
        "test": (images[test], labels[test]),
    }
    return arrays, "scikit-learn, a fixed fifth held out for testing"
