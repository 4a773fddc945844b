"""The dashboard: watches runs over their folders alone, and steers them by requests.

Nothing here imports torch, and leaving never affects a run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.screen import Screen

from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.bindings import Place, bindings_of
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.jobs import Jobs, tell
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, Said, WatchFailed
from tui_trainer.dashboard.mishaps import first_mishap
from tui_trainer.dashboard.personal_app import PersonalApp
from tui_trainer.dashboard.preferences import PreferenceKeeper
from tui_trainer.dashboard.screens.dashboard_screen import DashboardScreen
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.dashboard.screens.steering import ONLY_WATCHES
from tui_trainer.dashboard.sturdy import SturdyScreen
from tui_trainer.dashboard.terminal import Appearance, choose_appearance
from tui_trainer.dashboard.views import RunsView, RunView
from tui_trainer.dashboard.watcher import Watcher
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.errors import TuitrainError
from tui_trainer.launch.starter import keep_priority, lower_priority
from tui_trainer.paths import choose_data_dir, choose_state_dir
from tui_trainer.store.lease import look
from tui_trainer.store.record_reader import unreadable_record
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, make_record, read_annotations, read_summary

if TYPE_CHECKING:
    from textual.command import Provider

_CLOSE_WAIT_S = 2.0
ScreenType = TypeVar("ScreenType", bound=Screen[None])


def run_dashboard(
    registry: Registry,
    references: list[str],
    *,
    read_only: bool = False,
    data_dir: Path | None = None,
) -> None:
    """Show the runs of `registry`; on one reference that run at once, on several their comparison.

    With `read_only` nothing can be steered or started, and nothing is remembered.

    Raises:
        RunNotFoundError: a reference names no run; nothing was shown.
    """
    folders = [registry.find(reference) for reference in references]
    keep_priority()
    lower_priority()
    keeper = PreferenceKeeper(choose_state_dir(), only_reads=read_only)
    encoding = getattr(sys.__stdout__, "encoding", "")
    appearance = choose_appearance(os.environ, encoding, keeper.current.theme)
    DashboardApp(
        registry,
        folders,
        appearance=appearance,
        keeper=keeper,
        read_only=read_only,
        data_dir=data_dir,
    ).run()
    if first_mishap():
        sys.stderr.write(f"The dashboard met an error and went on:\n{first_mishap()}")


def _commands() -> type[Provider]:
    # Textual's half of it takes 25 ms to import, and many never open the palette.
    from tui_trainer.dashboard.commands import Commands

    return Commands


class DashboardApp(PersonalApp):
    """The list of runs, with at most one run opened over it."""

    CSS_PATH = "theme.tcss"
    TITLE = "tuitrain"
    COMMANDS: ClassVar = {_commands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ALLOW_SELECT = False
    BINDINGS = bindings_of("everywhere")

    def __init__(
        self,
        registry: Registry,
        folders: Iterable[RunFolder] = (),
        *,
        clock: Callable[[], float] = time.time,
        appearance: Appearance | None = None,
        keeper: PreferenceKeeper | None = None,
        read_only: bool = False,
        data_dir: Path | None = None,
    ) -> None:
        super().__init__(appearance or Appearance(), keeper or PreferenceKeeper())
        self.read_only = read_only
        self.jobs = Jobs(registry.path, choose_data_dir(data_dir), self.post_message)
        self.clock = clock
        self._folders = list(dict.fromkeys(folders))
        only = frozenset(folder.run for folder in self._folders)
        self._runs = RunsView(str(registry.path), is_read=False)
        self._watcher = Watcher(registry, self.post_message, only if len(only) > 1 else None)

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """The runs that are known."""
        return self._runs.records

    async def on_mount(self) -> None:
        """Open the list, and the run that was named over it, then start to watch."""
        if not self.is_headless:
            # As on q: a terminal must not be left in the state that this app needs.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.dress()
        await self.push_screen(RunsScreen(self._runs))
        if len(self._folders) == 1:
            self.open_run(_first_look(self._folders[0]))
        elif self._folders:
            self.open_compare([_first_look(folder) for folder in self._folders])
        self.start_watching()

    def start_watching(self) -> None:
        """Let the watcher begin."""
        self._watcher.start()

    def on_unmount(self) -> None:
        """Stop watching, and what ends with the dashboard."""
        self.jobs.end()
        self._watcher.close()
        if self._watcher.is_alive():
            self._watcher.join(_CLOSE_WAIT_S)

    def open_run(self, record: RunRecord) -> None:
        """Open the screen of a run, from what is known of it."""
        folder = RunFolder(Path(record.path))
        screen = RunScreen(RunView(record, _session_at(folder)))
        if not isinstance(self.screen, RunScreen):
            self.push_screen(screen)
        elif self.screen.record.path != record.path:
            self.switch_screen(screen)
        self._watcher.watch([folder])

    def resume_run(self, record: RunRecord) -> None:
        """Open the screen of a run, and ask there whether it is to be resumed."""
        self.open_run(record)
        screen = self.screen
        if isinstance(screen, RunScreen):
            screen.call_after_refresh(screen.action_resume)

    def open_form(self, record: RunRecord | None) -> None:
        """Open the form for a new run, on the settings of `record` if one is given."""
        if self.read_only:
            self.say(ONLY_WATCHES)
            return
        # Imported where it is opened, which few do: the first frame waits for every import.
        from tui_trainer.dashboard.screens.form import (
            FormScreen,
            open_blank_form,
            open_copied_form,
        )

        try:
            find_spec = self.jobs.find_spec
            if record is None:
                form = open_blank_form(Path.cwd(), find_spec)
            else:
                form = open_copied_form(record, find_spec)
        except TuitrainError as error:
            self.say(tell(error), "error")
        else:
            self.push_screen(FormScreen(form))

    def leave_form(self, record: RunRecord | None) -> None:
        """Back to where the form was opened, or on to the screen of the run that it started."""
        self.pop_screen()
        if record is not None:
            self.close_run()
            self.open_run(record)

    def look_closer(self, record: RunRecord, spans: tuple[StepSpan, ...]) -> None:
        """Have these spans of a run read again, so that every step of them is shown."""
        self._watcher.look_closer(RunFolder(Path(record.path)), spans)

    def close_run(self) -> None:
        """Back to the list of runs."""
        if isinstance(self.screen, RunScreen):
            self._watcher.watch([])
            self.pop_screen()

    def open_compare(self, records: Sequence[RunRecord]) -> None:
        """Open the screen that compares runs, from what is known of them."""
        if self.place_of(self.screen) == "compare":
            return
        # As the form is.
        from tui_trainer.dashboard.panes.compare import MOST_RUNS
        from tui_trainer.dashboard.screens.compare import CompareScreen

        if len(records) < 2:
            self.say("one run alone: mark others by space to compare them")
            return
        if len(records) > MOST_RUNS:
            self.say(f"at most {MOST_RUNS} runs can be compared, not {len(records)}")
            return
        self.push_screen(CompareScreen(records))
        self._watcher.watch([RunFolder(Path(record.path)) for record in records])

    def close_compare(self) -> None:
        """Back to the list of runs."""
        if self.place_of(self.screen) == "compare":
            self._watcher.watch([])
            self.pop_screen()

    def on_runs_updated(self, message: RunsUpdated) -> None:
        """Hand the list to its screen."""
        self._runs = message.view
        with self.going_on():
            for screen in self._screens_of(RunsScreen):
                screen.show(message.view)
            for run_screen in self._screens_of(RunScreen):
                run_screen.compare_anew()

    def on_run_updated(self, message: RunUpdated) -> None:
        """Hand the picture of a run to whatever screens show it."""
        for screen in self._screens_of(DashboardScreen):
            screen.show_run(message.view)

    def on_watch_failed(self, message: WatchFailed) -> None:
        """Say in the footer what could not be read."""
        self.say(message.text, "error")

    def on_said(self, message: Said) -> None:
        """Say in the footer what something that was started has to say."""
        self.say(message.text, message.role, message.seconds)

    def say(self, text: str, role: str = "warning", seconds: float | None = None) -> None:
        """Say something in the footer, where there is one."""
        for bar in self.screen.query(KeyBar):
            bar.say(text, role, seconds=seconds)

    def action_help(self) -> None:
        """Every key, those of this place first."""
        # As the form is.
        from tui_trainer.dashboard.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.place_of(self.screen)))

    def place_of(self, screen: Screen[Any]) -> Place:
        """Where a person is who sees this screen."""
        return screen.PLACE if isinstance(screen, SturdyScreen) else "runs"

    async def action_quit(self) -> None:
        """Leave; runs go on."""
        self.exit()

    def _screens_of(self, kind: type[ScreenType]) -> list[ScreenType]:
        """The screens of a kind; none while the app closes, when they lose their parts."""
        stack = self.screen_stack if self.is_running else ()
        return [screen for screen in stack if isinstance(screen, kind)]


def _session_at(folder: RunFolder) -> str:
    """The session at work on a run; empty if none is, or where the watcher will say why not."""
    try:
        lease = look(folder.path)
    except OSError:
        return ""
    return lease.session if lease.held else ""


def _first_look(folder: RunFolder) -> RunRecord:
    """A run by its summary alone, so that the first frame need not wait for its log."""
    try:
        lease = look(folder.path)
    except OSError as error:
        return unreadable_record(folder, error)
    return make_record(folder, read_summary(folder.path), read_annotations(folder.path), lease)
