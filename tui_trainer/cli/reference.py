"""The reference of commands, options and settings as Markdown, made from the program itself.

Usage: python -m tui_trainer.cli.reference > docs/REFERENCE.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

from tui_trainer.cli.app import app
from tui_trainer.core.catalog import DATASETS, MODELS, TORCHVISION
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.presets import preset_names, preset_of_dataset, preset_of_model
from tui_trainer.core.specs import KIND_NOUNS

_HEAD = """# Reference

Made from the program by `python -m tui_trainer.cli.reference > docs/REFERENCE.md`; a test compares.

Wherever a command takes a RUN it takes `runN`, `N`, `last` (the most recently created run) or
the run's name. Results go to standard output, talk to standard error. With
`--json` a command prints one JSON document, also for a failure:
`{"error": {"code", "message", "hint"}}`.

| exit status | meaning |
|---|---|
| 0 | done; also a requested stop |
| 1 | the work failed |
| 2 | bad usage, or a configuration, model, dataset or device found bad before the first step |
| 130 | Ctrl-C in an attached `train` or `resume`: stopped with a checkpoint |
| 143 | SIGTERM likewise |
| 141 | whoever read the output has gone |
"""


def render() -> str:
    """The whole reference."""
    sections = [_HEAD, "## Commands\n"]
    sections += [_command_section(path, command) for path, command in commands()]
    sections += [_settings_section(), _catalogue_section()]
    return "\n".join(sections)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its path, `tuitrain runs list`, with the parser behind it."""
    root: Any = typer.main.get_command(app)
    # What it makes when it is called is listed from the beginning here.
    for name in root.list_commands(None):
        yield from _walk(f"tuitrain {name}", root.get_command(None, name))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from _walk(f"{path} {name}", child)


def _command_section(path: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([path, *(_metavar(p) for p in arguments)])
    lines = [f"### `{usage}`\n", f"{inspect.cleandoc(command.help)}\n"]
    if options:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| {_names(option)} | {option.help} |" for option in options]
        lines.append("")
    return "\n".join(lines)


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _names(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return f"`{names}`" if option.is_flag else f"`{names} {option.metavar or 'VALUE'}`"


def _settings_section() -> str:
    lines = [
        "## Settings\n",
        "A run's configuration comes from, later wins: the defaults below, the dataset's preset,",
        "the model's preset, `tuitrain.toml` in the working folder, environment variables",
        "`TUITRAIN__PART__FIELD`, `--config FILE`, `--set part.field=value`, the command's own",
        "options. An unknown name is an error everywhere; all errors are told at once.",
        "`tuitrain train --dry-run` shows each value and where it came from.\n",
        "| setting | takes | default | meaning |",
        "|---|---|---|---|",
    ]
    for field in all_fields().values():
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        lines.append(f"| `{field.key}` | {field.allowed} | `{default}` | {field.meaning} |")
    return "\n".join([*lines, ""])


def _catalogue_section() -> str:
    lines = ["## Datasets and models\n", "| dataset | of | |", "|---|---|---|"]
    for dataset in DATASETS.values():
        lines.append(f"| `{dataset.name}` | {KIND_NOUNS[dataset.kind]} | {dataset.title} |")
    lines += ["", "| model | takes | |", "|---|---|---|"]
    for entry in MODELS.values():
        kinds = ", ".join(KIND_NOUNS[kind] for kind in entry.kinds)
        lines.append(f"| `{entry.name}` | {kinds} | {entry.title} |")
    lines += [
        f"| `{TORCHVISION}NAME` | images | any classification model of torchvision, its stem and "
        "head fitted to the data |",
        "| `path/file.py:Name` | anything | a class or function of your own that makes a model |",
        "| `package.module:Name` | anything | the same, from an installed package |",
    ]
    lines += ["", "| preset of | name | sets |", "|---|---|---|"]
    for name in DATASETS:
        lines += _preset_rows(name, preset_of_dataset, preset_names(name, ""))
    for name in MODELS:
        lines += _preset_rows(name, preset_of_model, preset_names("", name))
    return "\n".join([*lines, ""])


def _preset_rows(owner: str, preset_of: Any, names: list[str]) -> list[str]:
    rows = []
    for name in names:
        settings = ", ".join(f"`{key}` {value}" for key, value in preset_of(owner, name).items())
        if settings:
            rows.append(f"| `{owner}` | `{name}` | {settings} |")
    return rows


if __name__ == "__main__":
    sys.stdout.write(render())
