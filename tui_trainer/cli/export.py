"""`tuitrain export-onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui_trainer import paths
from tui_trainer.cli.options import (
    CheckpointOption,
    DataDirOption,
    JsonOption,
    RunArgument,
    RunsOption,
    TrustCodeOption,
)
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.core.job_reports import describe_export, describe_parity
from tui_trainer.errors import UsageError
from tui_trainer.paths import choose_data_dir, choose_runs_dir


def export_onnx(
    reference: RunArgument,
    checkpoint: CheckpointOption = "best",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write (default: exports/model.onnx in the run's folder).",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    trust_code: TrustCodeOption = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a verified ONNX file.

    It takes stored pixels in batches of any size, and is published only if onnxruntime agrees
    with the model on real test samples.
    """
    from tui_trainer.core.jobs import ExportJob
    from tui_trainer.launch.spawn import run_job
    from tui_trainer.store.config_sources import read_config
    from tui_trainer.store.registry import Registry

    if output is not None and output.suffix != ".onnx":
        raise UsageError(
            f"{output} does not end in .onnx.", "Name a file that does; its facts go beside it."
        )
    folder = Registry(choose_runs_dir(runs)).find(reference)
    target = output.absolute() if output else folder.path / paths.EXPORTS / "model.onnx"
    value = run_job(
        ExportJob(
            run_path=str(folder.path),
            data_dir=str(choose_data_dir(data_dir)),
            config=read_config(folder.path),
            checkpoint=checkpoint,
            output=str(target),
            trust_code=trust_code,
        ),
        say,
    )
    if as_json:
        print_json(value)
        return
    print_line(describe_export(value))
    print_line(describe_parity(value["parity"]))
    print_line(value["path"])
