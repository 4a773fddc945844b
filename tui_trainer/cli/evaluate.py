"""`tuitrain eval`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from tui_trainer.cli.options import (
    CheckpointOption,
    DataDirOption,
    JsonOption,
    RunArgument,
    RunsOption,
    TrustCodeOption,
)
from tui_trainer.cli.output import Column, print_json, print_line, print_table, say
from tui_trainer.core.code_names import parse_metric_names
from tui_trainer.core.format import format_count, format_metric
from tui_trainer.core.job_reports import describe_evaluation
from tui_trainer.core.text_safety import sanitize
from tui_trainer.paths import choose_data_dir, choose_runs_dir

_SHOWN_MISTAKES = 5

_Table = tuple[list[Column], list[list[str]]]


def evaluate(
    reference: RunArgument,
    checkpoint: CheckpointOption = "best",
    split: Annotated[
        Literal["test", "validation", "train"], typer.Option("--split", help="What to judge on.")
    ] = "test",
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")
    ] = "auto",
    trust_code: TrustCodeOption = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a checkpoint on a split.

    Loss, accuracy, precision and recall per class, or the errors per target, and the worst
    mistakes; the whole report goes into the run's folder.
    """
    from tui_trainer.core.config.fields import check_value
    from tui_trainer.core.jobs import EvaluateJob
    from tui_trainer.launch.spawn import run_job
    from tui_trainer.store.config_sources import read_config
    from tui_trainer.store.registry import Registry

    check_value("hardware.device", device, "--device")
    folder = Registry(choose_runs_dir(runs)).find(reference)
    config = read_config(folder.path)
    value = run_job(
        EvaluateJob(
            run_path=str(folder.path),
            data_dir=str(choose_data_dir(data_dir)),
            config=config,
            checkpoint=checkpoint,
            split=split,
            device=device,
            trust_code=trust_code,
        ),
        say,
    )
    if as_json:
        print_json(value)
    else:
        _print(value, parse_metric_names(config.training.metrics))


def _print(report: dict[str, Any], own_metrics: Sequence[str]) -> None:
    print_line(describe_evaluation(report, own_metrics))
    tables = {
        "classification": _class_table,
        "multilabel": _label_table,
        "regression": _target_table,
    }
    columns, rows = tables[report["task"]](report)
    print_table(columns, [list(map(sanitize, row)) for row in rows])
    for mistake in report["mistakes"][:_SHOWN_MISTAKES]:
        print_line(f"sample {mistake['index']}: {_describe_mistake(report['task'], mistake)}")
    print_line(f"report {report['report']}")


def _class_table(report: dict[str, Any]) -> _Table:
    columns = [
        *_columns("class", "samples", "precision", "recall", "F1"),
        Column("most taken for", 1),
    ]
    rows = [
        [*_class_cells(row), _most_taken_for(report, k)] for k, row in enumerate(report["classes"])
    ]
    return columns, rows


def _label_table(report: dict[str, Any]) -> _Table:
    columns = _columns("label", "samples", "precision", "recall", "F1", "average precision")
    rows = [
        [*_class_cells(row), format_metric(row["average_precision"])] for row in report["classes"]
    ]
    return columns, rows


def _target_table(report: dict[str, Any]) -> _Table:
    rows = [
        [row["target"], *(format_metric(row[name]) for name in ("rmse", "mae", "r2"))]
        for row in report["targets"]
    ]
    return _columns("target", "RMSE", "MAE", "R²"), rows


def _columns(first: str, *figures: str) -> list[Column]:
    return [Column(first, 0), *(Column(title, 0, right=True) for title in figures)]


def _class_cells(row: dict[str, Any]) -> list[str]:
    figures = (format_metric(row[name]) for name in ("precision", "recall", "f1"))
    return [row["class"], format_count(row["count"]), *figures]


def _most_taken_for(report: dict[str, Any], k: int) -> str:
    row = [0 if j == k else count for j, count in enumerate(report["confusion"][k])]
    count = max(row)
    return f"{report['classes'][row.index(count)]['class']} ({count}×)" if count else "–"


def _describe_mistake(task: str, mistake: dict[str, Any]) -> str:
    if task == "regression":
        return (
            f"{mistake['target']} {format_metric(mistake['value'])} predicted as "
            f"{format_metric(mistake['predicted'])}, {mistake['deviations']:.1f} deviations off"
        )
    if task == "multilabel":
        true, said = (", ".join(mistake[key]) or "none" for key in ("labels", "predicted"))
        return f"{true} taken for {said}"
    return (
        f"{mistake['label']} taken for {mistake['predicted']}, sure by {mistake['confidence']:.2f}"
    )
