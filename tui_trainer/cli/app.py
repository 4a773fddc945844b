"""The commands, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperGroup

from tui_trainer import __version__

# Typer keeps the types of the parser that it is made of to itself.
Command: TypeAlias = Any
Context: TypeAlias = Any

_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}


def _data() -> Command:
    from tui_trainer.cli.data import data_app

    return typer.main.get_command(data_app)


def _train() -> Command:
    from tui_trainer.cli.train import train

    return _command(train)


def _attach() -> Command:
    from tui_trainer.cli.train import attach

    return _command(attach)


def _resume() -> Command:
    from tui_trainer.cli.train import resume

    return _command(resume)


def _evaluate() -> Command:
    from tui_trainer.cli.evaluate import evaluate

    return _command(evaluate)


def _export_onnx() -> Command:
    from tui_trainer.cli.export import export_onnx

    return _command(export_onnx)


def _dashboard() -> Command:
    from tui_trainer.cli.dashboard import dashboard

    return _command(dashboard)


def _runs() -> Command:
    from tui_trainer.cli.runs import runs_app

    return typer.main.get_command(runs_app)


def _command(function: Callable[..., None]) -> Command:
    app = typer.Typer(**_PLAIN)
    app.command()(function)
    return typer.main.get_command(app)


_MAKERS: dict[str, Callable[[], Command]] = {
    "train": _train,
    "attach": _attach,
    "resume": _resume,
    "eval": _evaluate,
    "export-onnx": _export_onnx,
    "dashboard": _dashboard,
    "data": _data,
    "runs": _runs,
}


class _Commands(TyperGroup):
    """Commands that are imported and made once they are called, or listed by a help."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_MAKERS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in self.commands and cmd_name in _MAKERS:
            self.commands[cmd_name] = _MAKERS[cmd_name]()
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=_Commands,
    name="tuitrain",
    help="Train PyTorch models from the terminal; watch, steer, resume, judge and export each run.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **(_PLAIN | {"add_completion": True}),
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
