"""What a short job found, in a line for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.format import format_bytes, format_counted, format_metric


def describe_evaluation(report: Mapping[str, Any], own_metrics: Sequence[str]) -> str:
    """The figures of a checkpoint on a split; `own_metrics` are names of the user's metrics."""
    names = ["accuracy", "loss", *(parse_code_name(name).attribute for name in own_metrics)]
    figures = "  ".join(f"{name} {format_metric(report[name])}" for name in names)
    return (
        f"{report['run']}  {report['checkpoint']}  {report['split']}: "
        f"{figures}  on {format_counted(report['count'], 'sample')}"
    )


def describe_export(value: Mapping[str, Any]) -> str:
    """What was written."""
    return (
        f"{value['run']}  {value['checkpoint']}  ONNX opset {value['opset']}  "
        f"{format_bytes(value['bytes'])}"
    )


def describe_parity(parity: Mapping[str, Any]) -> str:
    """How far an exported model agrees with the model."""
    return (
        f"agrees with the model on {parity['samples']} test samples: the same class on "
        f"{parity['top1_agreement']:.2%}, outputs within {parity['max_abs_diff']:.1e}"
    )
