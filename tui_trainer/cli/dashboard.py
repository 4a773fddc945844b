"""`tuitrain dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui_trainer.cli.options import DataDirOption, RunsOption
from tui_trainer.errors import ExitStatus, UsageError

_SIZE_OF_A_PIPE = (120, 35)


_References = Annotated[
    list[str] | None,
    typer.Argument(help="Runs to open: runN, N, last, or names.", metavar="[RUN]..."),
]
_Once = Annotated[bool, typer.Option("--once", help="Print one frame as text and end.")]
_Width = Annotated[
    int | None,
    typer.Option("--width", help="Columns of the frame.", metavar="N", min=20, max=1000),
]
_Height = Annotated[
    int | None,
    typer.Option("--height", help="Lines of the frame.", metavar="N", min=8, max=1000),
]
_Serve = Annotated[
    bool, typer.Option("--serve", help="Show it in a browser on this machine, to watch only.")
]
_Port = Annotated[
    int | None,
    typer.Option(
        "--port", help="Port to serve at (default: a free one).", metavar="N", min=1, max=65535
    ),
]
_ServeControl = Annotated[
    bool, typer.Option("--serve-control", help="Let the browser steer and start runs.")
]
_ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Watch only: no key steers or starts a run.")
]


def dashboard(
    references: _References = None,
    once: _Once = False,
    width: _Width = None,
    height: _Height = None,
    serve: _Serve = False,
    port: _Port = None,
    serve_control: _ServeControl = False,
    read_only: _ReadOnly = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Watch runs live in this terminal.

    Nothing in it, nor its end, holds up training. `--once` prints one frame instead, and
    `--serve` an address that shows the dashboard in a browser on this machine. Characters go by
    the locale; TUITRAIN_GLYPHS=braille, blocks or ascii overrides.
    """
    from tui_trainer.paths import choose_runs_dir

    _check_options(once, serve, width or height, port or serve_control)
    runs_dir = choose_runs_dir(runs)
    if once:
        print_frame(runs_dir, references or [], width, height)
    elif serve:
        own = [] if data_dir is None else ["--data-dir", str(data_dir.absolute())]
        own += [] if serve_control else ["--read-only"]
        raise typer.Exit(serve_dashboard(runs_dir, references or [], port, own))
    else:
        check_terminal()
        open_dashboard(runs_dir, references or [], read_only=read_only, data_dir=data_dir)


def _check_options(once: bool, serve: bool, for_once: object, for_serve: object) -> None:
    if once and serve:
        raise UsageError("--once and --serve exclude each other.", "Leave one of them out.")
    if for_once and not once:
        raise UsageError("--width and --height are for a frame.", "Add --once.")
    if for_serve and not serve:
        raise UsageError("--port and --serve-control are for a browser.", "Add --serve.")


def check_terminal() -> None:
    """Make sure that the dashboard can be shown.

    Raises:
        UsageError: standard output is not a terminal.
    """
    import os
    import sys

    # In a browser Textual's driver stands in for the terminal.
    if not sys.stdout.isatty() and "TEXTUAL_DRIVER" not in os.environ:
        raise UsageError(
            "The dashboard needs a terminal.",
            "Use tuitrain dashboard --once, tuitrain runs list or tuitrain runs show.",
        )


def open_dashboard(
    runs_dir: Path,
    references: list[str],
    *,
    read_only: bool = False,
    data_dir: Path | None = None,
) -> None:
    """Open the dashboard on a registry folder, directly on a run if one is named."""
    from tui_trainer.imports import without_collection

    with without_collection():
        from tui_trainer.dashboard.app import run_dashboard
        from tui_trainer.store.registry import Registry

    run_dashboard(Registry(runs_dir), references, read_only=read_only, data_dir=data_dir)


def print_frame(
    runs_dir: Path, references: list[str], width: int | None, height: int | None
) -> None:
    """One frame of the dashboard on standard output, in colour where that is a terminal's."""
    import os
    import shutil
    import sys

    from tui_trainer.dashboard.once import render_frame
    from tui_trainer.dashboard.terminal import choose_appearance
    from tui_trainer.paths import choose_state_dir
    from tui_trainer.store.preferences import read_preferences
    from tui_trainer.store.registry import Registry

    remembered = read_preferences(choose_state_dir()).theme
    appearance = choose_appearance(os.environ, sys.stdout.encoding, remembered)
    columns, lines = shutil.get_terminal_size(_SIZE_OF_A_PIPE)
    frame = render_frame(
        Registry(runs_dir),
        references,
        size=(width or columns, height or lines),
        appearance=appearance,
        has_colors=sys.stdout.isatty() and appearance.theme != "mono",
    )
    sys.stdout.write(frame)


def serve_dashboard(
    runs_dir: Path, references: list[str], port: int | None, options: list[str]
) -> ExitStatus:
    """Serve the dashboard, opened with `options`, to browsers on this machine until Ctrl-C."""
    import sys

    from tui_trainer.cli.output import print_line, say
    from tui_trainer.serve.server import serve
    from tui_trainer.store.registry import Registry

    registry = Registry(runs_dir)
    for reference in references:
        registry.find(reference)
    command = [sys.executable, "-P", "-m", "tui_trainer", "dashboard", "--runs", str(runs_dir)]

    def announce(url: str) -> None:
        what = "watch" if "--read-only" in options else "watch and steer"
        say(f"Whoever has this address can {what} these runs. Ctrl-C ends it.")
        print_line(url)
        sys.stdout.flush()

    return serve([*command, *options, "--", *references], port or 0, announce)
