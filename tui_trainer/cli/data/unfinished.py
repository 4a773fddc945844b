"""What is told of preparations that were cut off, and how to go on with them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec

from tui_trainer.cli.setting_options import SETTING_OPTIONS
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import PreparationConfig
from tui_trainer.core.format import format_bytes, format_count
from tui_trainer.store.unfinished import Beginning, Unfinished


def tell_unfinished(one: Unfinished, data_dir: Path | None) -> dict[str, Any]:
    """How far it is and the command that goes on, which is None where that is not known.

    `data_dir` is the option with which the folder was named, if one was.
    """
    beginning = one.beginning
    return {
        "samples": one.samples,
        "total": beginning.total if beginning else None,
        "bytes": one.size_bytes,
        "running": one.is_running,
        "command": _command_of(one.name, beginning, data_dir),
    }


def describe_unfinished(row: dict[str, Any]) -> str:
    """The same in words: `1 199 of 8 000 samples read; go on with: tuitrain data get mnist`."""
    if row["total"]:
        done = min(row["samples"], row["total"])
        far = f"{format_count(done)} of {format_count(row['total'])} samples read"
    else:
        far = f"no sample read yet, {format_bytes(row['bytes'])} here"
    if row["running"]:
        return f"{far}; a process is at it now"
    return f"{far}; go on with: {row['command'] or 'the command that began it'}"


def _command_of(name: str, beginning: Beginning | None, data_dir: Path | None) -> str | None:
    if beginning is None:
        words = ["get", name] if name in DATASETS else None
    elif beginning.originals:
        words = ["import", beginning.reference, beginning.originals]
    else:
        words = ["get", beginning.reference]
    if words is None:
        return None
    words += _options_of(beginning.preparation) if beginning else []
    words += ["--data-dir", str(data_dir)] if data_dir else []
    return shlex.join(["tuitrain", "data", *words])


def _options_of(preparation: PreparationConfig) -> list[str]:
    """The options of a command that prepare so."""
    usual = msgspec.structs.asdict(PreparationConfig())
    options = {key: f"--{name.replace('_', '-')}" for name, key in SETTING_OPTIONS.items()}
    words = []
    for field, value in msgspec.structs.asdict(preparation).items():
        if value != usual[field]:
            words += [options[f"preparation.{field}"], str(value)]
    return words
