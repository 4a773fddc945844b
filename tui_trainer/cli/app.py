"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from tui_trainer import __version__
from tui_trainer.cli.dashboard import dashboard
from tui_trainer.cli.data import data_app
from tui_trainer.cli.evaluate import evaluate
from tui_trainer.cli.export import export_onnx
from tui_trainer.cli.runs import runs_app
from tui_trainer.cli.train import attach, resume, train

app = typer.Typer(
    name="tuitrain",
    help="Train PyTorch models from the terminal; watch, steer, resume, judge and export each run.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tuitrain {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Train PyTorch models from the terminal."""


app.add_typer(data_app, name="data")
app.command()(train)
app.command()(attach)
app.command()(resume)
app.command("eval")(evaluate)
app.command("export-onnx")(export_onnx)
app.command()(dashboard)
app.add_typer(runs_app, name="runs")
