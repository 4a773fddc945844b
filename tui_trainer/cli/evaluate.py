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
from tui_trainer.cli.output import print_json, print_line, result_console, say
from tui_trainer.core.code_names import parse_metric_names
from tui_trainer.core.format import format_count, format_metric
from tui_trainer.core.job_reports import describe_evaluation
from tui_trainer.paths import choose_data_dir, choose_runs_dir


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

    Loss, accuracy, precision and recall per class, the worst mistakes; the whole report goes
    into the run's folder.
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
    from rich.table import Table

    print_line(describe_evaluation(report, own_metrics))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("class", "samples", "precision", "recall", "most taken for"):
        table.add_column(title, justify="left" if title.startswith(("c", "m")) else "right")
    for k, row in enumerate(report["classes"]):
        table.add_row(
            row["class"],
            format_count(row["count"]),
            format_metric(row["precision"]),
            format_metric(row["recall"]),
            _most_taken_for(report, k),
        )
    result_console().print(table)
    for mistake in report["mistakes"][:5]:
        print_line(
            f"sample {mistake['index']}: {mistake['label']} taken for {mistake['predicted']}, "
            f"sure by {mistake['confidence']:.2f}"
        )
    print_line(f"report {report['report']}")


def _most_taken_for(report: dict[str, Any], k: int) -> str:
    row = [0 if j == k else count for j, count in enumerate(report["confusion"][k])]
    count = max(row)
    return f"{report['classes'][row.index(count)]['class']} ({count}×)" if count else "–"
