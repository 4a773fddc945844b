"""Whether an ONNX file says what the model says, on real samples."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from tui_trainer.core.specs import PADDING_TOKEN, DatasetSpec, Task
from tui_trainer.data.prepared import Inputs
from tui_trainer.errors import ExportError

NUM_COMPARED = 512
_BATCH_SIZES = (1, 2, 5)
_RTOL, _ATOL = 1e-4, 1e-5
# What float32 leaves of a number that is far from 0 for its deviation, as years are.
_UNITS_IN_LAST_PLACE = 4

Outputs = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How an exported file compared with its model.

    `top1_agreement` is the share of samples of which both say the same class, `label_agreement`
    that of which both say the same labels; None where the model says neither.
    """

    samples: int
    max_abs_diff: float
    top1_agreement: float | None = None
    label_agreement: float | None = None


def check_parity(file: Path, model: nn.Module, inputs: Inputs, spec: DatasetSpec) -> Parity:
    """Compare onnxruntime with `model` on `inputs`, N first, in batches of many sizes.

    Both take the inputs as they are given here; the file has one input.

    Raises:
        ExportError: they differ by more than rounding explains; the worst sample is named.
    """
    samples = np.array(inputs[:NUM_COMPARED])
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected, exported = [], []
    for part in _uneven_batches(samples, spec):
        with torch.inference_mode():
            expected.append(model(torch.from_numpy(part)).numpy())
        exported.append(np.asarray(session.run(None, {name: part})[0]))
    return _compare(np.concatenate(expected), np.concatenate(exported), spec)


def _uneven_batches(samples: Inputs, spec: DatasetSpec) -> list[Inputs]:
    edges = np.minimum(np.cumsum(_BATCH_SIZES), len(samples))
    parts = [part for part in np.split(samples, edges) if len(part)]
    if spec.kind != "tokens":
        return parts
    # Each as wide as its longest text, as batches are.
    widths = [int((part != PADDING_TOKEN).any(0).sum()) for part in parts]
    return [
        np.ascontiguousarray(part[:, : max(1, width)])
        for part, width in zip(parts, widths, strict=True)
    ]


def _compare(expected_NK: Outputs, exported_NK: Outputs, spec: DatasetSpec) -> Parity:
    difference_NK = np.abs(expected_NK - exported_NK)
    difference_N = difference_NK.max(axis=1)
    worst = int(np.nanargmax(difference_N)) if np.isfinite(difference_N).any() else 0
    # Written so that what is not a number is not close.
    is_close = bool((difference_NK <= _tolerance(expected_NK, spec)).all())
    same_N, tie_N = _agree(expected_NK, exported_NK, spec.task)
    if not is_close or not (same_N | tie_N).all():
        noun = {"classification": "class", "multilabel": "labels"}.get(spec.task)
        told = f"; the same {noun} on {same_N.mean():.2%} of {len(same_N)} samples" if noun else ""
        raise ExportError(
            f"The exported model disagrees with the model: by {difference_N[worst]:.3g} on test "
            f"sample {worst}{told}.",
            "Nothing was published; the model uses something that ONNX computes differently.",
        )
    agreement = float(same_N.mean())
    return Parity(
        samples=len(expected_NK),
        max_abs_diff=float(difference_N.max()),
        top1_agreement=agreement if spec.task == "classification" else None,
        label_agreement=agreement if spec.task == "multilabel" else None,
    )


def _tolerance(expected_NK: Outputs, spec: DatasetSpec) -> npt.NDArray[np.float64]:
    """How far each output may be off: of targets, in their deviations from their mean."""
    size_NK = np.abs(expected_NK, dtype=np.float64)
    if spec.task != "regression":
        return _ATOL + _RTOL * size_NK
    mean_T, std_T = np.array(spec.label_mean), np.array(spec.label_std)
    rounding_NT = _UNITS_IN_LAST_PLACE * np.finfo(np.float32).eps * (size_NK + np.abs(mean_T))
    tolerance_NT: npt.NDArray[np.float64] = (
        _ATOL * std_T + _RTOL * np.abs(expected_NK - mean_T) + rounding_NT
    )
    return tolerance_NT


def _agree(expected_NK: Outputs, exported_NK: Outputs, task: Task) -> tuple[Mask, Mask]:
    """Of which samples both say the same, and of which they need not: it is a tie.

    Two classes as likely as each other may change places by rounding, and a label as likely as
    not come or go; that is no disagreement.
    """
    if task == "regression":
        # Whether two numbers are the same is a matter of how close they are.
        all_N = np.ones(len(expected_NK), np.bool_)
        return all_N, all_N
    if task == "multilabel":
        same_NK = (expected_NK > 0) == (exported_NK > 0)
        return same_NK.all(axis=1), (same_NK | (np.abs(expected_NK) <= _ATOL)).all(axis=1)
    same_N = expected_NK.argmax(1) == exported_NK.argmax(1)
    top_two_N2 = np.sort(expected_NK, axis=1)[:, -2:]
    gap_N = np.diff(top_two_N2, axis=1)[:, 0]
    return same_N, gap_N <= _ATOL + _RTOL * np.abs(top_two_N2[:, 1])
