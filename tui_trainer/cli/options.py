"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tui_trainer.core.config.fields import all_fields

RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        help="Folder of the runs (default: $TUITRAIN_RUNS, else ./runs).",
        show_default=False,
        metavar="DIR",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the datasets (default: $TUITRAIN_DATA, else the user's cache).",
        show_default=False,
        metavar="DIR",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
RunArgument = Annotated[
    str, typer.Argument(help="The run: runN, N, last, or its name.", metavar="RUN")
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Return as soon as training has started.")
]
DashboardOption = Annotated[
    bool, typer.Option("--dashboard", help="Open the dashboard on the run.")
]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", help="best, last, or the step of one.", metavar="WHICH")
]

# Options of `train` that are a setting of the configuration, by its key.
SETTING_OPTIONS = {
    "model": "model.name",
    "epochs": "training.epochs",
    "batch_size": "data.batch_size",
    "lr": "optimizer.lr",
    "momentum": "optimizer.momentum",
    "optimizer": "optimizer.name",
    "weight_decay": "optimizer.weight_decay",
    "seed": "training.seed",
    "device": "hardware.device",
    "threads": "hardware.threads",
    "validation": "data.validation",
}


def setting_option(name: str, metavar: str) -> Any:
    """An option that is a setting: read as text, checked with every other setting at once."""
    meaning = all_fields()[SETTING_OPTIONS[name]].meaning
    return typer.Option(
        f"--{name.replace('_', '-')}",
        help=f"{meaning[0].upper()}{meaning[1:]}.",
        metavar=metavar,
        show_default=False,
        rich_help_panel="Settings",
    )
