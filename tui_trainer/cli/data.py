"""`tuitrain data …`: the dataset catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tui_trainer.cli.options import DataDirOption, JsonOption
from tui_trainer.cli.output import print_json, print_line, result_console, say
from tui_trainer.core.catalog import DATASETS, find_dataset
from tui_trainer.core.format import format_bytes, format_count
from tui_trainer.errors import DatasetError
from tui_trainer.paths import choose_data_dir
from tui_trainer.store.datasets import (
    dataset_bytes,
    is_prepared,
    read_spec,
    remove_dataset,
    verify_dataset,
)

data_app = typer.Typer(help="Datasets: list, get, import, verify …", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The dataset.", metavar="DATASET")]


@data_app.command("list")
def list_datasets(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the datasets and whether they are here."""
    folder = choose_data_dir(data_dir)
    rows = [_describe(folder, name) for name in DATASETS]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("dataset", "here", "size", "about"):
        table.add_column(title)
    for row in rows:
        size = format_bytes(row["bytes"]) if row["bytes"] else "–"
        here = "damaged" if row["problem"] else "yes" if row["prepared"] else "no"
        table.add_row(row["dataset"], here, size, row["title"])
    result_console().print(table)


@data_app.command()
def info(name: NameArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Tell what is known of a dataset."""
    find_dataset(name)
    row = _describe(choose_data_dir(data_dir), name)
    if as_json:
        print_json(row)
        return
    for key, value in row.items():
        words = (
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        words = ", ".join(map(str, words)) if isinstance(words, list | tuple) else words
        print_line(f"{key:<9} {words if words not in (None, '') else '–'}")


@data_app.command()
def get(name: NameArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Prepare a dataset from its official source."""
    find_dataset(name)
    _report(prepare(choose_data_dir(data_dir), name), as_json=as_json)


@data_app.command("import")
def import_dataset(
    name: NameArgument,
    source: Annotated[Path, typer.Argument(help="Folder that holds the files.", metavar="FOLDER")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare a dataset from files you have; for mnist, its four IDX files."""
    find_dataset(name)
    _report(prepare(choose_data_dir(data_dir), name, source.absolute()), as_json=as_json)


@data_app.command()
def verify(name: NameArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Check every file of a prepared dataset against its recorded SHA-256."""
    find_dataset(name)
    folder = choose_data_dir(data_dir)
    count = verify_dataset(folder, name)
    if as_json:
        print_json({"dataset": name, "files": count, "intact": True})
    else:
        print_line(f"{name}: {count} files, each as it was written")


@data_app.command()
def remove(name: NameArgument, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Delete a prepared dataset from the data folder."""
    find_dataset(name)
    remove_dataset(choose_data_dir(data_dir), name)
    if as_json:
        print_json({"dataset": name, "removed": True})
    else:
        print_line(f"removed {name}")


def prepare(data_dir: Path, name: str, source: Path | None = None) -> dict[str, Any]:
    """Prepare a dataset in a worker; what it is comes back."""
    from tui_trainer.core.jobs import PrepareJob
    from tui_trainer.launch.spawn import run_job

    job = PrepareJob(data_dir=str(data_dir), dataset=name, source=str(source or ""))
    return run_job(job, say)


def _report(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(value)
        return
    counts = ", ".join(f"{format_count(n)} {split}" for split, n in value["counts"].items())
    print_line(f"{value['dataset']}: {counts}; {value['origin']}; {format_bytes(value['bytes'])}")
    print_line(value["path"])


def _describe(data_dir: Path, name: str) -> dict[str, Any]:
    entry = DATASETS[name]
    spec, problem = None, None
    if is_prepared(data_dir, name):
        try:
            spec = read_spec(data_dir, name)
        except DatasetError as error:
            problem = error.message
    counts = {"train": entry.train_count, "test": entry.test_count}
    return {
        "dataset": name,
        "title": entry.title,
        "kind": entry.kind,
        "prepared": spec is not None,
        "shape": list(entry.shape),
        "classes": list(entry.classes),
        "counts": {k: v.count for k, v in spec.splits.items()} if spec else counts,
        "origin": spec.origin if spec else entry.origin,
        "bytes": dataset_bytes(spec) if spec else None,
        "path": str(data_dir / name) if spec else None,
        "problem": problem,
    }
