"""The dashboard: watches runs over their folders alone, and steers them by requests.

Nothing here imports torch, and leaving never affects a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from textual.app import App
from textual.screen import Screen

from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.bindings import Place, bindings_of
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, WatchFailed
from tui_trainer.dashboard.palette import THEME
from tui_trainer.dashboard.screens.help import HelpScreen
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.dashboard.views import RunsView, RunView
from tui_trainer.dashboard.watcher import Watcher
from tui_trainer.store.lease import look
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, make_record, read_annotations, read_summary

_CLOSE_WAIT_S = 2.0
ScreenType = TypeVar("ScreenType", bound=Screen[None])


def run_dashboard(registry: Registry, references: list[str]) -> None:
    """Show the runs of `registry`; on one reference that run at once, on several only those.

    Raises:
        RunNotFoundError: a reference names no run; nothing was shown.
    """
    DashboardApp(registry, [registry.find(reference) for reference in references]).run()


class DashboardApp(App[None]):
    """The list of runs, with at most one run opened over it."""

    CSS_PATH = "theme.tcss"
    TITLE = "tuitrain"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS = bindings_of("everywhere")

    def __init__(
        self,
        registry: Registry,
        folders: Iterable[RunFolder] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.clock = clock
        self._folders = list(folders)
        only = frozenset(folder.run for folder in self._folders)
        self._runs = RunsView(str(registry.path), is_read=False)
        self._watcher = Watcher(registry, self.post_message, only if len(only) > 1 else None)

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """The runs that are known."""
        return self._runs.records

    async def on_mount(self) -> None:
        """Open the list, and the run that was named over it, then start to watch."""
        self.register_theme(THEME)
        self.theme = THEME.name
        await self.push_screen(RunsScreen(self._runs))
        if len(self._folders) == 1:
            self.open_run(_first_look(self._folders[0]))
        self._watcher.start()

    def on_unmount(self) -> None:
        """Stop watching."""
        self._watcher.close()
        if self._watcher.is_alive():
            self._watcher.join(_CLOSE_WAIT_S)

    def open_run(self, record: RunRecord) -> None:
        """Open the screen of a run, from what is known of it."""
        if isinstance(self.screen, RunScreen):
            return
        folder = RunFolder(Path(record.path))
        lease = look(folder.path)
        self.push_screen(RunScreen(RunView(record, lease.session if lease.held else "")))
        self._watcher.watch(folder)

    def close_run(self) -> None:
        """Back to the list of runs."""
        if isinstance(self.screen, RunScreen):
            self._watcher.watch(None)
            self.pop_screen()

    def on_runs_updated(self, message: RunsUpdated) -> None:
        """Hand the list to its screen."""
        self._runs = message.view
        for screen in self._screens_of(RunsScreen):
            screen.show(message.view)
        for run_screen in self._screens_of(RunScreen):
            run_screen.compare_anew()

    def on_run_updated(self, message: RunUpdated) -> None:
        """Hand the picture of a run to its screen, if that is still open."""
        for screen in self._screens_of(RunScreen):
            if screen.record.path == message.view.record.path:
                screen.show(message.view)

    def on_watch_failed(self, message: WatchFailed) -> None:
        """Say in the footer what could not be read."""
        if isinstance(self.screen, (RunsScreen, RunScreen)):
            self.screen.say(message.text, "error")

    def action_help(self) -> None:
        """Every key, those of this place first."""
        if not isinstance(self.screen, HelpScreen):
            place: Place = "run" if isinstance(self.screen, RunScreen) else "runs"
            self.push_screen(HelpScreen(place))

    async def action_quit(self) -> None:
        """Leave; runs go on."""
        self.exit()

    def _screens_of(self, kind: type[ScreenType]) -> list[ScreenType]:
        return [screen for screen in self.screen_stack if isinstance(screen, kind)]


def _first_look(folder: RunFolder) -> RunRecord:
    """A run by its summary alone, so that the first frame need not wait for its log."""
    lease = look(folder.path)
    return make_record(folder, read_summary(folder.path), read_annotations(folder.path), lease)
