"""A bare program of two commands, the yardstick for `tuitrain --help`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="A program of two commands.")


@app.command()
def greet(name: Annotated[str, typer.Argument(help="Whom to greet.")], loud: bool = False) -> None:
    """Say hello."""
    print(f"hello {name}".upper() if loud else f"hello {name}")


@app.command()
def count(number: Annotated[int, typer.Option(help="How far to count.")] = 3) -> None:
    """Count."""
    print(*range(number))


if __name__ == "__main__":
    app()
