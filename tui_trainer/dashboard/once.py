"""One frame of the dashboard as text, for scripts and screen readers.

The runs are read to their end first, in this thread, so that the frame is whole and the same
every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from rich.console import Console
from textual.pilot import Pilot
from textual.strip import Strip

from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated
from tui_trainer.dashboard.tails import READ_ERRORS, RunList, RunTail
from tui_trainer.dashboard.terminal import Appearance
from tui_trainer.dashboard.views import RunsView, RunView
from tui_trainer.errors import StorageError
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_facts import read_facts
from tui_trainer.store.run_folder import RunFolder


class _Frame(DashboardApp):
    """A dashboard that shows what it is given and watches nothing."""

    def start_watching(self) -> None:
        """Nothing changes while a frame is drawn."""


def render_frame(
    registry: Registry,
    references: list[str],
    *,
    size: tuple[int, int],
    appearance: Appearance,
    has_colors: bool,
) -> str:
    """What the dashboard would show: the list of runs, or the runs named.

    Raises:
        RunNotFoundError: a reference names no run.
        StorageError: a run could not be read.
    """
    folders = [registry.find(reference) for reference in references]
    runs = _read_list(registry, folders, most=size[1])
    views = [_read_run(folder) for folder in folders]
    app = _Frame(registry, folders, appearance=appearance)
    lines: list[str] = []

    async def draw(pilot: Pilot[object]) -> None:
        app.post_message(RunsUpdated(runs))
        for view in views:
            app.post_message(RunUpdated(view))
        strips = await _settle(pilot, app)
        lines.extend(map(_painter() if has_colors else _plain, strips))
        app.exit()

    app.run(headless=True, size=size, auto_pilot=draw)
    if not lines:
        # Textual has said on standard error what went wrong.
        raise StorageError("The dashboard could not be drawn.", "Open it without --once.")
    return "".join(f"{line}\n" for line in lines)


async def _settle(pilot: Pilot[object], app: DashboardApp) -> list[Strip]:
    """The lines of the screen once nothing moves any more."""
    before: list[str] | None = None
    while True:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        texts = [strip.text for strip in strips]
        if texts == before:
            return strips
        before = texts


def _plain(strip: Strip) -> str:
    return strip.text.rstrip()


def _painter() -> Callable[[Strip], str]:
    """To text with the colours that standard output can show."""
    console = Console(force_terminal=True)
    return lambda strip: strip.render(console)


def _read_list(registry: Registry, folders: Iterable[RunFolder], most: int) -> RunsView:
    """The list of runs, with the losses of as many as there are lines."""
    only = frozenset(folder.run for folder in folders)
    reader = RunList(registry, only if len(only) > 1 else None)
    records = reader.read()
    losses = reader.read_losses(records[:most])
    while True:
        # One call reads only so much of logs that it has not met.
        more = reader.read_losses(records[:most])
        if more.keys() == losses.keys():
            return RunsView(str(registry.path), records, losses)
        losses = more


def _read_run(folder: RunFolder) -> RunView:
    try:
        tail = RunTail(folder)
        view = tail.read()
        while tail.is_behind:
            view = tail.read() or view
        assert view is not None
        return replace(view, facts=read_facts(folder.path))
    except READ_ERRORS as error:
        raise StorageError(
            f"{folder.run} cannot be read: {error}.", f"See tuitrain runs logs {folder.run}."
        ) from error
