"""What is wrong with a dataset's manifest, which may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tui_trainer.core.specs import (
    INPUT_DTYPES,
    LABEL_DTYPES,
    ArrayFile,
    DatasetSpec,
    SplitSpec,
)

# More than any sample may have, so that no product of sizes is beyond what arrays can have.
_MOST_VALUES = 1 << 40


def find_flaw(spec: DatasetSpec) -> str:
    """Why no dataset can be as a manifest says, a clause; empty where one can."""
    return next(_flaws(spec), "")


def _flaws(spec: DatasetSpec) -> Iterator[str]:
    if not spec.shape or min(spec.shape) < 1 or math.prod(spec.shape) > _MOST_VALUES:
        yield f"samples of shape {spec.shape}"
        return
    if len(spec.shape) != {"image": 3, "table": 1, "tokens": 1}[spec.kind]:
        yield f"samples of shape {spec.shape}"
    if spec.num_outputs < 1:
        yield "nothing to predict"
    if spec.kind == "tokens" and spec.vocabulary < 1:
        yield "no vocabulary"
    width = 0 if spec.kind == "tokens" else spec.shape[0]
    if not _are_moments(spec.mean, spec.std, width):
        yield "another count of means and deviations than of channels or features"
    width = len(spec.targets) if spec.task == "regression" else 0
    if not _are_moments(spec.label_mean, spec.label_std, width):
        yield "another count of means and deviations than of targets"
    for name in ("train", "test"):
        if name not in spec.splits:
            yield f"no {name} split"
    for name, split in spec.splits.items():
        if split.count < 1 or (split.offsets is None) == (spec.kind == "tokens"):
            yield f"a split {name} of {split.count} samples"
        if split.class_counts and not _are_counts(split.class_counts, len(spec.classes)):
            yield f"class counts in the split {name} that are not those of its classes"
        for array, dtype, shape in _expected(spec, split):
            if array is not None and (array.dtype, array.shape) != (dtype, shape):
                yield f"an array {array.dtype} {array.shape} in the split {name}"
            if array is not None and not is_plain_name(array.file):
                yield "a file elsewhere"
    if not all(is_plain_name(file) for file in spec.files):
        yield "a file elsewhere"


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file directly in a folder."""
    return name not in ("", ".", "..") and "/" not in name and name.isprintable()


def _are_counts(counts: tuple[int, ...], width: int) -> bool:
    return len(counts) == width and min(counts) >= 0


def _are_moments(mean: tuple[float, ...], std: tuple[float, ...], width: int) -> bool:
    values_are_sound = all(map(math.isfinite, mean)) and all(0 < value < math.inf for value in std)
    return len(mean) == len(std) == width and values_are_sound


def _expected(
    spec: DatasetSpec, split: SplitSpec
) -> Iterator[tuple[ArrayFile | None, str, tuple[int, ...]]]:
    """The arrays of a split, and what each has to be."""
    count, width = split.count, () if spec.task == "classification" else (spec.num_outputs,)
    is_text = spec.kind == "tokens"
    # How many tokens there are is told by the file alone.
    tokens = max(0, *split.inputs.shape[:1]) if split.inputs.shape else 0
    inputs = (tokens,) if is_text else (count, *spec.shape)
    yield split.inputs, INPUT_DTYPES[spec.kind], inputs
    yield split.labels, LABEL_DTYPES[spec.task], (count, *width)
    yield split.digests, "uint64", (count,)
    yield split.offsets, "int64", (count + 1,)
