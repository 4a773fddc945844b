"""`tuitrain data …`: datasets, of the catalogue and of one's own."""

from __future__ import annotations

import typer

from tui_trainer.cli.data.keeping import remove, verify
from tui_trainer.cli.data.preparing import get, import_dataset
from tui_trainer.cli.data.preview import preview
from tui_trainer.cli.data.query import info, list_datasets

data_app = typer.Typer(
    help="Datasets: list, get, import, preview, verify …",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

data_app.command("list")(list_datasets)
data_app.command()(info)
data_app.command()(get)
data_app.command("import")(import_dataset)
data_app.command()(preview)
data_app.command()(verify)
data_app.command()(remove)
