"""Whether an ONNX file says what the model says, on real samples."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from tui_trainer.data.prepared import Inputs
from tui_trainer.errors import ExportError

_NUM_SAMPLES = 512
_BATCH_SIZES = (1, 2, 5)
_RTOL, _ATOL = 1e-4, 1e-5

Logits = npt.NDArray[np.float32]


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How an exported file compared with its model."""

    samples: int
    max_abs_diff: float
    top1_agreement: float


def check_parity(file: Path, model: nn.Module, inputs: Inputs) -> Parity:
    """Compare onnxruntime with `model` on `inputs`, N first, in batches of many sizes.

    Both take the inputs as they are given here; the file has one input.

    Raises:
        ExportError: they differ by more than rounding explains; the worst sample is named.
    """
    samples = np.array(inputs[:_NUM_SAMPLES])
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected, exported = [], []
    for part in _uneven_batches(samples):
        with torch.inference_mode():
            expected.append(model(torch.from_numpy(part)).numpy())
        exported.append(np.asarray(session.run(None, {name: part})[0]))
    return _compare(np.concatenate(expected), np.concatenate(exported))


def _uneven_batches(samples: Inputs) -> list[Inputs]:
    edges = np.minimum(np.cumsum(_BATCH_SIZES), len(samples))
    return [part for part in np.split(samples, edges) if len(part)]


def _compare(expected_NK: Logits, exported_NK: Logits) -> Parity:
    difference_N = np.abs(expected_NK - exported_NK).max(axis=1)
    close_NK = np.isclose(exported_NK, expected_NK, rtol=_RTOL, atol=_ATOL)
    same_N = expected_NK.argmax(1) == exported_NK.argmax(1)
    # Two classes as likely as each other may change places by rounding; that is no disagreement.
    top_two_N2 = np.sort(expected_NK, axis=1)[:, -2:]
    tie_N = np.diff(top_two_N2, axis=1)[:, 0] <= _ATOL + _RTOL * np.abs(top_two_N2[:, 1])
    worst = int(np.nanargmax(difference_N)) if np.isfinite(difference_N).any() else 0
    if not close_NK.all() or not (same_N | tie_N).all():
        raise ExportError(
            f"The exported model disagrees with the model: by {difference_N[worst]:.3g} on test "
            f"sample {worst}; the same class on {same_N.mean():.2%} of {len(same_N)} samples.",
            "Nothing was published; the model uses something that ONNX computes differently.",
        )
    return Parity(
        samples=len(expected_NK),
        max_abs_diff=float(difference_N.max()),
        top1_agreement=float(same_N.mean()),
    )
