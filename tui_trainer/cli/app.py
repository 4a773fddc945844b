"""The commands, put together."""

from __future__ import annotations

import importlib
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperGroup

from tui_trainer import __version__

# Typer keeps the types of the parser that it is made of to itself.
Command: TypeAlias = Any
Context: TypeAlias = Any

_PLAIN: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}

# Each with its module and its name there.
_COMMANDS = {
    "train": ("tui_trainer.cli.train", "train"),
    "attach": ("tui_trainer.cli.train", "attach"),
    "resume": ("tui_trainer.cli.train", "resume"),
    "eval": ("tui_trainer.cli.evaluate", "evaluate"),
    "export-onnx": ("tui_trainer.cli.export", "export_onnx"),
    "dashboard": ("tui_trainer.cli.dashboard", "dashboard"),
    "data": ("tui_trainer.cli.data", "data_app"),
    "runs": ("tui_trainer.cli.runs", "runs_app"),
}


def _make(module: str, name: str) -> Command:
    """A command, or a group of commands, from the function or the app behind it."""
    made = getattr(importlib.import_module(module), name)
    if not isinstance(made, typer.Typer):
        function, made = made, typer.Typer(add_completion=False, **_PLAIN)
        made.command()(function)
    return typer.main.get_command(made)


class _Commands(TyperGroup):
    """Commands that are imported and made once they are called, or listed by a help."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in self.commands and cmd_name in _COMMANDS:
            self.commands[cmd_name] = _make(*_COMMANDS[cmd_name])
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=_Commands,
    name="tuitrain",
    help="Train PyTorch models from the terminal; watch, steer, resume, judge and export each run.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **_PLAIN,
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
