"""What a configuration comes to, counted as it will be split."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.data.samples import make_spec
from tui_trainer.core.config import DataConfig, RunConfig
from tui_trainer.core.plan import make_plan
from tui_trainer.core.specs import ArrayFile, SplitSpec
from tui_trainer.data.split import choose_subset, split_for_validation


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=200),
    st.floats(0.01, 0.9),
    st.sampled_from([1.0, 0.5, 0.1]),
)
def test_samples_are_counted_as_they_are_split(
    labels: list[int], share: float, subset: float
) -> None:
    labels_N = np.array(labels, np.int64)
    array = ArrayFile(
        file="x.npy", shape=(len(labels), 2), dtype="float32", size_bytes=1, sha256=""
    )
    train = SplitSpec(
        count=len(labels),
        inputs=array,
        labels=array,
        class_counts=tuple(np.bincount(labels_N, minlength=6).tolist()),
    )
    spec = msgspec.structs.replace(
        make_spec((2,), "table"), splits={"train": train}, classes=tuple("abcdef")
    )
    data = DataConfig(dataset="csv:/x", validation=share, subset=subset)
    plan = make_plan(RunConfig(data=data), spec)
    kept, held_out = split_for_validation(labels_N, share, 0)
    kept = choose_subset(kept, labels_N, subset, 0)
    assert plan is not None
    assert (plan.train_count, plan.validation_count) == (len(kept), len(held_out))
