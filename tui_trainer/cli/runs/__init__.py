"""`tuitrain runs …`: the registry, and steering a run from any terminal."""

from __future__ import annotations

import typer

from tui_trainer.cli.runs.query import list_runs, logs, show
from tui_trainer.cli.runs.steer import (
    checkpoint,
    continue_run,
    evaluate,
    pause,
    set_value,
    stop,
)

runs_app = typer.Typer(
    help="Runs: list, show, logs, stop, pause …",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

runs_app.command("list")(list_runs)
runs_app.command("show")(show)
runs_app.command("logs")(logs)
runs_app.command("stop")(stop)
runs_app.command("pause")(pause)
runs_app.command("continue")(continue_run)
runs_app.command("checkpoint")(checkpoint)
runs_app.command("evaluate")(evaluate)
runs_app.command("set")(set_value)
