"""`tuitrain data verify` and `remove`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from tui_trainer.cli.options import DataDirOption, JsonOption
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.core.format import format_counted
from tui_trainer.errors import DatasetError, ExitStatus
from tui_trainer.paths import choose_data_dir
from tui_trainer.store.dataset_lookup import find_prepared
from tui_trainer.store.dataset_source import missing_sources
from tui_trainer.store.datasets import (
    has_changed,
    is_prepared,
    prepared_names,
    read_spec,
    remove_dataset,
    verify_dataset,
)
from tui_trainer.store.unfinished import find_unfinished, remove_unfinished


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="The datasets (default: all that are here).",
            metavar="[DATASET]…",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file of prepared datasets.

    Each is hashed and compared with the SHA-256 that was recorded. It also tells whether what they
    were prepared from has changed since. The exit status is 1 where something is damaged.
    """
    from tui_trainer.cli.progress import watch_job

    folder = choose_data_dir(data_dir)
    found = [find_prepared(folder, name, Path.cwd()) for name in names or ()]
    chosen = list(dict.fromkeys(found)) if names else prepared_names(folder)
    with watch_job() as watcher:
        rows = [_verify(folder, name, watcher.report) for name in chosen]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            _print(row)
        if not rows:
            print_line(f"nothing is prepared in {folder}")
    if not all(row["intact"] for row in rows):
        raise typer.Exit(ExitStatus.FAILED)


def _verify(folder: Path, name: str, report: Any) -> dict[str, Any]:
    from tui_trainer.core.job_progress import JobProgress

    row: dict[str, Any] = {"dataset": name, "files": None, "intact": False, "changed": None}
    row["source_missing"] = []
    try:
        spec = read_spec(folder, name)
        row["changed"] = has_changed(folder, spec)
        row["source_missing"] = missing_sources(spec)
        row["files"] = verify_dataset(
            folder,
            name,
            lambda done, total: report(JobProgress(f"verifying {name}", done, total, "bytes")),
        )
    except DatasetError as error:
        return row | {"problem": error.message, "hint": error.hint}
    return row | {"intact": True, "problem": None, "hint": None}


def _print(row: dict[str, Any]) -> None:
    if not row["intact"]:
        print_line(f"{row['dataset']}: damaged: {row['problem']} {row['hint']}")
        return
    print_line(f"{row['dataset']}: {format_counted(row['files'], 'file')}, each as it was written")
    for path in row["source_missing"]:
        print_line(f"{row['dataset']}: source: {path} (not there any more; the data stay good)")
    if row["changed"]:
        print_line(
            f"{row['dataset']}: what it was prepared from has changed since; the next training "
            "or `data get` prepares it anew"
        )


def remove(
    names: Annotated[list[str], typer.Argument(help="The datasets.", metavar="DATASET…")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete prepared datasets; what they were made from stays.

    What an unfinished preparation left is deleted by its name, too.
    """
    folder = choose_data_dir(data_dir)
    # All are found before the first is gone.
    chosen = list(dict.fromkeys(_find(folder, name) for name in names))
    for name in chosen:
        delete = remove_dataset if is_prepared(folder, name) else remove_unfinished
        delete(folder, name, functools.partial(say, f"waiting: another process prepares {name}"))
        if not as_json:
            print_line(f"removed {name}")
    if as_json:
        print_json([{"dataset": name, "removed": True} for name in chosen])


def _find(folder: Path, text: str) -> str:
    """The name of a prepared dataset, else of one whose preparation was cut off.

    Raises:
        DatasetError: there is neither.
    """
    try:
        return find_prepared(folder, text, Path.cwd())
    except DatasetError:
        begun = find_unfinished(folder, text, Path.cwd())
        if begun is None:
            raise
        return begun.name
