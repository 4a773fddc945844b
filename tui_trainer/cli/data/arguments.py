"""Arguments that several of the `data` commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DatasetArgument = Annotated[
    str,
    typer.Argument(
        help="The dataset: a name from the list, or what it was prepared from, as folder:PATH.",
        metavar="DATASET",
    ),
]
ReferenceArgument = Annotated[
    str,
    typer.Argument(
        help="A dataset of the catalogue, or your own: folder:PATH, csv:PATH, hdf5:PATH, "
        "npz:PATH, text:PATH, path/file.py:Dataset; several joined by +.",
        metavar="DATASET",
    ),
]
TrustDatasetOption = Annotated[
    bool,
    typer.Option("--trust-code", help="Let the code that the dataset names run on this machine."),
]
