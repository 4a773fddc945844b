"""`tuitrain dashboard`."""

from __future__ import annotations

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
    """Watch the runs, live, in this terminal."""
    import sys

    from tui_trainer.paths import choose_runs_dir

    open_dashboard(choose_runs_dir(runs), references or [], on_terminal=sys.stdout.isatty())


def open_dashboard(runs_dir: object, references: list[str], *, on_terminal: bool) -> None:
    """Open the dashboard on a registry folder, directly on a run if one is named."""
    from pathlib import Path

    from tui_trainer.store.registry import Registry

    assert isinstance(runs_dir, Path)
    if not on_terminal:
        raise UsageError(
            "The dashboard needs a terminal.", "Use tuitrain runs list or tuitrain runs show."
        )
    registry = Registry(runs_dir)
    found = [registry.find(reference).run for reference in references]
    from tui_trainer.dashboard.app import run_dashboard

    run_dashboard(registry, found)
