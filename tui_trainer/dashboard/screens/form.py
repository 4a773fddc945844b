"""The form for a new run: made from the settings there are, or those of a run that is copied."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult

from tui_trainer.core.config.resolve import FindSpec, Resolved
from tui_trainer.core.form import Form, form_like
from tui_trainer.core.form_entries import Draft, Entry, make_draft
from tui_trainer.core.run_record import RunRecord
from tui_trainer.dashboard.bindings import bindings_of
from tui_trainer.dashboard.jobs import NewRun, tell
from tui_trainer.dashboard.panes.form import (
    detail_rows,
    form_heading,
    plan_row,
    visible_entries,
)
from tui_trainer.dashboard.screens.dashboard_screen import DashboardScreen
from tui_trainer.dashboard.widgets.form_pane import FormPane
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.pane_grid import Rule
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.dashboard.widgets.text_rows import TextRows
from tui_trainer.errors import TuitrainError
from tui_trainer.store.config_sources import (
    environment_settings,
    project_settings,
    read_config,
)

_VALUE, _SEARCH = "value-prompt", "search-prompt"
_ERROR_S = 12.0


class FormScreen(DashboardScreen):
    """Settings of a run that is to be started."""

    PLACE = "form"
    BINDINGS = bindings_of("form")

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form
        self._draft = make_draft(form)
        self._shows_all = False
        self._search = ""
        self._cursor = 0
        self._is_starting = False

    def compose(self) -> ComposeResult:
        """Heading, settings, what the one under the cursor means, what is planned, footer."""
        yield TextRows(id="heading")
        yield Rule()
        yield FormPane()
        yield Rule()
        yield TextRows(id="form-detail")
        yield TextRows(id="form-plan")
        yield Rule()
        yield KeyBar("form")

    def on_mount(self) -> None:
        """Show what is known already."""
        self._refresh()

    @property
    def draft(self) -> Draft:
        """What the form comes to now."""
        return self._draft

    @property
    def selected(self) -> Entry | None:
        """The entry under the cursor."""
        return self._entries[self._cursor] if self._cursor < len(self._entries) else None

    @property
    def _entries(self) -> list[Entry]:
        return visible_entries(self._draft, shows_all=self._shows_all, search=self._search)

    def _refresh(self) -> None:
        draft, entry = self._draft, self.selected
        num_changed = sum(line.is_changed for line in draft.entries)
        like, search = self._form.like, self._search
        self.query_one("#heading", TextRows).show(
            lambda width, height: [form_heading(like, search, num_changed, width)]
        )
        self.query_one(FormPane).show(draft, self._entries, self._cursor, like or "untouched")
        self.query_one("#form-detail", TextRows).show(
            lambda width, height: detail_rows(entry, width)
        )
        self.query_one("#form-plan", TextRows).show(lambda width, height: [plan_row(draft, width)])
        labels = {"all": "fewer" if self._shows_all else "all settings"}
        self.query_one(KeyBar).label(labels)

    def _change(self, form: Form) -> None:
        """Take what was typed; the cursor stays on its setting."""
        entry = self.selected
        self._form, self._draft = form, make_draft(form)
        self._stay_on(entry.key if entry else "")

    def _stay_on(self, key: str) -> None:
        keys = [entry.key for entry in self._entries]
        elsewhere = 0 if self._search else max(0, min(self._cursor, len(keys) - 1))
        self._cursor = keys.index(key) if key in keys else elsewhere
        self._refresh()

    async def on_form_pane_pointed(self, message: FormPane.Pointed) -> None:
        """One click moves the cursor, one more on the same line types there."""
        if message.again:
            await self.action_edit()
        else:
            self.action_move(message.number - self._cursor)

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self.action_move(-1)

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self._cursor = max(0, min(self._cursor + lines, len(self._entries) - 1))
        self._refresh()

    def action_page(self, pages: int) -> None:
        """Move the cursor by screenfuls."""
        self.action_move(pages * max(1, self.query_one(FormPane).size.height - 2))

    def action_end(self, where: int) -> None:
        """Move the cursor to the first or the last setting."""
        self.action_move(where * len(self._draft.entries))

    def action_cycle(self, by: int) -> None:
        """The next choice, or the one before."""
        entry = self.selected
        if entry is not None and entry.choices:
            self._change(self._form.type(entry.key, entry.next_choice(by)))
        elif entry is not None:
            self.say(f"{entry.label} has no list of choices: enter types a value", "quiet")

    async def action_edit(self) -> None:
        """Type a value in the footer."""
        entry = self.selected
        if entry is not None:
            hint = "" if entry.choices else entry.allowed  # the line above names them
            await self._open_prompt(Prompt(entry.label, entry.value, hint, select=True, id=_VALUE))

    def action_undo(self) -> None:
        """Leave what was typed for the setting under the cursor."""
        entry = self.selected
        if entry is not None:
            self._change(self._form.leave(entry.key))

    def action_all(self) -> None:
        """Show every setting, or those in common use."""
        self._shows_all = not self._shows_all
        self._stay_on(self.selected.key if self.selected else "")

    async def action_search(self) -> None:
        """Show the settings that have to do with a word."""
        await self._open_prompt(
            Prompt("settings like", self._search, "enter keeps them", id=_SEARCH)
        )

    async def _open_prompt(self, prompt: Prompt) -> None:
        if not self.query(Prompt):
            await self.mount(prompt)

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """Say at once what is wrong with a value; list at once what is like the word."""
        if event.prompt.id == _SEARCH:
            self._look_for(event.value)
            return
        entry = self.selected
        if entry is not None:
            drafted = make_draft(self._form.type(entry.key, event.value)).find(entry.key)
            event.prompt.complain(" ".join(drafted.problems[:1]))

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Take the value, right or wrong: its line says what is wrong."""
        event.prompt.close()
        entry = self.selected
        if event.prompt.id == _VALUE and entry is not None:
            self._change(self._form.type(entry.key, event.value))

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """Everything as it was."""
        event.prompt.close()
        if event.prompt.id == _SEARCH:
            self._look_for("")

    def _look_for(self, text: str) -> None:
        entry = self.selected
        self._search = text.strip()
        self._stay_on(entry.key if entry else "")

    def action_start(self) -> None:
        """Start the run, unless something is wrong."""
        resolved = self._draft.resolved
        if self._is_starting:
            self.say("it is being started already")
        elif resolved is None:
            wrong = next((entry.key for entry in self._draft.entries if entry.problems), "")
            self._search = ""
            self._stay_on(wrong)
            self.say("mend what is wrong first", "error")
        else:
            self._is_starting = True
            new = NewRun(self._decide, self._form.name, self._form.command(resolved))
            self._dashboard.start_work(self._start(new))

    def _decide(self) -> Resolved:
        """The configuration by what is known now; more is once a dataset is prepared.

        Raises:
            TuitrainError: something is wrong.
        """
        resolved, errors = self._form.resolve()
        if errors or resolved is None:
            raise errors[0]
        return resolved

    async def _start(self, new: NewRun) -> None:
        """Start the run and open its screen; it starts also where the form is left meanwhile."""
        jobs = self._dashboard.jobs
        try:
            record = await jobs.start(new)
        except (OSError, TuitrainError) as error:
            jobs.say(tell(error), "error", _ERROR_S)
            return
        finally:
            self._is_starting = False
        jobs.say(f"{record.run} has been started", "good")
        if self.is_current:
            self._dashboard.leave_form(record)

    async def action_back(self) -> None:
        """Leave the form; where something was typed, ask once."""
        if self._search:
            self._look_for("")
        elif self._form.typed and not self._is_starting:
            await self.ask_once("leave what you typed", self._leave, "escape", "q")
        else:
            await self._leave()

    async def _leave(self) -> None:
        self._dashboard.leave_form(None)


def open_blank_form(folder: Path, find_spec: FindSpec) -> Form:
    """A form for a run in a folder, on what its files and the environment set.

    Raises:
        ConfigError: the folder's file of settings cannot be read.
    """
    return Form((*project_settings(folder), *environment_settings()), find_spec=find_spec)


def open_copied_form(record: RunRecord, find_spec: FindSpec) -> Form:
    """A form on the settings of a run.

    Raises:
        StorageError: they cannot be read.
    """
    return form_like(record.run, read_config(Path(record.path)), find_spec)
