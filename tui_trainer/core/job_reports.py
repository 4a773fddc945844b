"""What a short job found, in a line for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.format import format_bytes, format_count, format_counted, format_metric
from tui_trainer.core.tasks import OUR_FIGURES


def describe_evaluation(report: Mapping[str, Any], own_metrics: Sequence[str]) -> str:
    """The figures of a checkpoint on a split; `own_metrics` are names of the user's metrics."""
    own = [parse_code_name(name).attribute for name in own_metrics]
    names = dict.fromkeys(
        name for name in (*OUR_FIGURES, "loss", *own) if report.get(name) is not None
    )
    figures = "  ".join(f"{name} {format_metric(report[name])}" for name in names)
    return (
        f"{report['run']}  {report['checkpoint']}  {report['split']}: "
        f"{figures}  on {format_counted(report['count'], 'sample')}"
    )


def describe_preparation(value: Mapping[str, Any]) -> str:
    """The samples of a dataset that was prepared, in a line."""
    counts = ", ".join(f"{format_count(n)} {split}" for split, n in value["counts"].items())
    noun = "class" if value["classes"] == 1 else "classes"
    classes = f"; {format_count(value['classes'])} {noun}" if value["classes"] else ""
    return f"{value['dataset']}: {counts}{classes}; {value['origin']}"


def warn_of_preparation(value: Mapping[str, Any]) -> list[str]:
    """What is wrong with some samples of a dataset that was prepared, in lines."""
    lines = []
    if value["skipped"]:
        told = format_counted(value["skipped"], "sample")
        lines.append(f"{told} set aside: tuitrain data info {value['dataset']}")
    if value["shared"]:
        lines.append(
            f"{format_counted(value['shared'], 'test sample')} also among the training samples: "
            "the test is easier than it looks"
        )
    return lines


def describe_export(value: Mapping[str, Any]) -> str:
    """What was written."""
    return (
        f"{value['run']}  {value['checkpoint']}  ONNX opset {value['opset']}  "
        f"{format_bytes(value['bytes'])}"
    )


def describe_parity(parity: Mapping[str, Any]) -> str:
    """How far an exported model agrees with the model."""
    agreement = describe_agreement(parity)
    return (
        f"agrees with the model on {parity['samples']} test samples: "
        f"{agreement}{', ' if agreement else ''}outputs within {parity['max_abs_diff']:.1e}"
    )


def describe_agreement(parity: Mapping[str, Any]) -> str:
    """How often an exported model says the same; empty where it says numbers."""
    for key, noun in (("top1_agreement", "class"), ("label_agreement", "labels")):
        share = parity.get(key)
        if share is not None:
            return f"the same {noun} on {share:.2%}"
    return ""
