"""`tuitrain dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui_trainer.cli.options import RunsOption
from tui_trainer.errors import UsageError


def dashboard(
    references: Annotated[
        list[str] | None,
        typer.Argument(help="Runs to open: runN, N, last, or names.", metavar="[RUN]..."),
    ] = None,
    runs: RunsOption = None,
) -> None:
    """Watch runs live in this terminal."""
    from tui_trainer.paths import choose_runs_dir

    check_terminal()
    open_dashboard(choose_runs_dir(runs), references or [])


def check_terminal() -> None:
    """Make sure that the dashboard can be shown.

    Raises:
        UsageError: standard output is not a terminal.
    """
    import sys

    if not sys.stdout.isatty():
        raise UsageError(
            "The dashboard needs a terminal.", "Use tuitrain runs list or tuitrain runs show."
        )


def open_dashboard(runs_dir: Path, references: list[str]) -> None:
    """Open the dashboard on a registry folder, directly on a run if one is named."""
    from tui_trainer.dashboard.app import run_dashboard
    from tui_trainer.store.registry import Registry

    run_dashboard(Registry(runs_dir), references)
