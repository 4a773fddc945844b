"""The options of `data preview` that no other command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui_trainer.cli.graphics import Wanted

SplitOption = Annotated[str, typer.Option("--split", help="Which part of it.", metavar="NAME")]
CountOption = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        max=400,
        help="How many samples (default: what fits the terminal).",
        show_default=False,
        metavar="N",
    ),
]
ClassOption = Annotated[
    str | None,
    typer.Option(
        "--class", help="Samples of this class alone.", show_default=False, metavar="NAME"
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", min=0, help="What samples are drawn from, and how they vary.", metavar="N"
    ),
]
AugmentedOption = Annotated[
    bool, typer.Option("--augmented", help="Show each image as training varies it.")
]
PresetOption = Annotated[
    str, typer.Option("--preset", help="Recipe whose augmentation is shown.", metavar="NAME")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of augment; may be repeated.", metavar="KEY=VALUE"),
]
GraphicsOption = Annotated[
    Wanted, typer.Option("--graphics", help="How to draw; auto asks the terminal.")
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--save", help="Write the images to a PNG file too.", show_default=False, metavar="FILE"
    ),
]
