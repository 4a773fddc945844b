"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
TrustCodeOption = Annotated[
    bool,
    typer.Option("--trust-code", help="Let the code that the run names run on this machine."),
]
