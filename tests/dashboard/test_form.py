"""The form for a new run: its keys, what it says is wrong, and what it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import CONTROL
from tests.dashboard.conftest import MadeRun, MakeRun, screen_lines, screen_text, shows, until
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.core.form import Form
from tui_trainer.core.form_entries import make_draft
from tui_trainer.dashboard import jobs
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.panes.form import first_line, form_lines, visible_entries
from tui_trainer.dashboard.rows import row_width
from tui_trainer.dashboard.screens.form import FormScreen
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.errors import ConfigError
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import read_run

SIZES = [(60, 18), (100, 30), (160, 45), (250, 80)]


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without settings, and none in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tui_trainer.dashboard.screens.form.environment_settings", list)


def form_of(app: DashboardApp) -> FormScreen:
    assert isinstance(app.screen, FormScreen)
    return app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_the_form_shows_values_and_where_they_come_from(
    registry: Registry, size: tuple[int, int]
) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n")
        await shows(pilot, "new run", "nothing changed", "▸ name", "dataset", "digits", "630 steps")
        assert all(len(line) == size[0] for line in screen_lines(app))
        if size[0] >= 100:
            await shows(pilot, "preset default of digits", "0.01")
        if size[0] >= 160:
            await shows(pilot, "learning rate, the peak of its schedule")


async def test_choices_are_gone_through_and_presets_follow(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "j", "right")
        await shows(pilot, "‹ mnist ›", "1 changed", "preset default of mnist", "2 110 steps")
        await pilot.press("h")
        await shows(pilot, "‹ digits ›", "nothing changed", "630 steps")
        await pilot.press("left")
        await shows(pilot, "‹ diabetes ›", "default of diabetes", "tabular-mlp")
        await pilot.press("backspace")
        await shows(pilot, "‹ digits ›", "nothing changed")
        await pilot.press("k", "l")
        await shows(pilot, "name has no list of choices")


async def test_a_value_is_typed_and_what_is_wrong_is_said_while_it_is(
    registry: Registry,
) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "slash", *"optimizer.lr")
        await until(pilot, lambda: form_of(app).selected is not None)
        await pilot.press("enter")
        await until(pilot, lambda: form_of(app).selected.key == "optimizer.lr")  # type: ignore[union-attr]
        await pilot.press("enter", *"fast")
        await shows(pilot, "lr is 'fast', but optimizer.lr must be a number")
        await pilot.press("enter")
        await shows(pilot, "1 setting is wrong")
        await pilot.press("ctrl+s")
        await shows(pilot, "mend what is wrong first")
        await pilot.press("enter", *"0.5", "enter")
        await shows(pilot, "630 steps", "1 changed", "typed here")
        assert form_of(app).draft.find("optimizer.lr").value == "0.5"
        await pilot.press("backspace")
        await shows(pilot, "nothing changed")


async def test_a_search_goes_to_the_first_setting_that_it_finds(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "j", "slash", *"momen")
        await shows(pilot, "▸ momentum")


async def test_all_that_is_wrong_is_shown_at_once(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "enter", *"run7", "enter", "j", "enter", *"mnits", "enter")
        await shows(pilot, "2 settings are wrong", "'run7' already means something",
                    "There is no dataset 'mnits'", "Did you mean mnist?")  # fmt: skip


async def test_every_setting_can_be_reached_and_the_cursor_stays_in_sight(
    registry: Registry,
) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(80, 24)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "a")
        await shows(pilot, "a fewer")
        seen = []
        for _ in range(len(all_fields()) + 2):
            entry = form_of(app).selected
            assert entry is not None
            seen.append(entry.key)
            assert any(line.startswith(" ▸ ") and entry.label in line for line in screen_lines(app))
            await pilot.press("j")
        assert set(seen) == {"name", "preset", *all_fields()}
        await pilot.press("home")
        await shows(pilot, "▸ name")
        await pilot.press("pagedown", "pageup", "G")
        await shows(pilot, "▸ every_s")
        await pilot.press("a")
        await shows(pilot, "a all settings")


async def test_leaving_asks_once_where_something_was_typed(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("n", "j", "right", "escape")
        await shows(pilot, "press esc again to leave what you typed")
        await pilot.press("j", "escape")
        await shows(pilot, "press esc again to leave what you typed")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_line_is_chosen_by_the_mouse(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n")
        await shows(pilot, "▸ name")
        await pilot.click("FormPane", offset=(8, 2))
        await shows(pilot, "▸ dataset")
        await pilot.click("FormPane", offset=(8, 2))
        await shows(pilot, " dataset digits")


def make_mnist_run(registry: Registry, make_run: MakeRun) -> MadeRun:
    run = make_run()
    config = resolve([Setting("data.dataset", "mnist", "x"), Setting("training.seed", 9, "x")])
    (run.folder.path / "config.toml").write_bytes(encode_config(config.config))
    run.train()
    return run


async def test_a_copy_starts_from_the_run_and_shows_what_differs_from_it(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_mnist_run(registry, make_run)
    made: list[tuple[Any, ...]] = []

    def create(*arguments: Any) -> Any:
        made.append(arguments)
        other = registry.create(_environment(), encode_config(RunConfig()), "again")
        return other, msgspec.defstruct("Job", [("session", str)])("")

    monkeypatch.setattr(jobs, "resolve_prepared", lambda data_dir, decide, waiting: decide())
    monkeypatch.setattr(jobs, "create_run", create)
    monkeypatch.setattr(jobs, "start_training", lambda path, job: None)
    monkeypatch.setattr(jobs, "await_start", lambda folder, *rest: read_run(folder))
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "⊘ interrupted")
        await pilot.press("d")
        await shows(pilot, "like run1", "nothing changed", "mnist", "2 110 steps")
        draft = form_of(app).draft
        assert draft.resolved is not None
        assert draft.resolved.config.training.seed == 9
        assert draft.find("training.seed").origin == "run1"
        await pilot.press("enter", *"again", "enter", "j", "j", "j", "j", "j", "enter", *"32")
        await pilot.press("enter")
        await shows(pilot, "2 changed", "128")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await shows(pilot, "run2", "again")
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    ((runs_dir, _, resolved, name, command, _),) = made
    assert (runs_dir, name) == (registry.path, "again")
    assert (resolved.config.data.batch_size, resolved.config.training.seed) == (32, 9)
    assert command[:5] == ("tuitrain", "train", "mnist", "--name", "again")
    assert set(command[5:]) == {"--set", "training.seed=9", "data.batch_size=32"}


def _environment() -> Any:
    from tests.builders import environment

    return environment()


async def test_a_run_that_could_not_be_started_is_told_and_the_form_stays(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise ConfigError("The code net.py:Net has not been run on this machine before.",
                          "Look at it, then name it on the command line.")  # fmt: skip

    monkeypatch.setattr(jobs, "resolve_prepared", lambda data_dir, decide, waiting: decide())
    monkeypatch.setattr(jobs, "create_run", refuse)
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n", "enter", *"mine", "enter", "ctrl+s")
        await shows(pilot, "has not been run on this machine before", "name it on the command line")
        assert form_of(app).draft.find("name").value == "mine"


async def test_a_run_whose_settings_are_gone_is_not_copied(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run()
    run.train()
    (run.folder.path / "config.toml").write_text("[")
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "⊘ interrupted")
        await pilot.press("d")
        await shows(pilot, "config.toml is missing or damaged")
        assert isinstance(app.screen, RunScreen)


async def test_settings_of_the_working_folder_count_and_their_mistakes_are_told(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "tuitrain.toml").write_text("[optimizer]\nlr = 0.25\n")
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n")
        await shows(pilot, "0.25", "tuitrain.toml")
        await pilot.press("q")
        (tmp_path / "tuitrain.toml").write_text("[optimizer]\nlrr = 0.25\n")
        await pilot.press("n")
        await shows(pilot, "names a setting that does not exist", "1 setting is wrong")
        await pilot.press("ctrl+s")
        await shows(pilot, "mend what is wrong first")
        await pilot.press("q")
        (tmp_path / "tuitrain.toml").write_text("[")
        await pilot.press("n")
        await shows(pilot, "is not TOML")
        assert isinstance(app.screen, RunsScreen)


@given(
    st.dictionaries(st.sampled_from([*all_fields(), "name", "preset"]), st.text(max_size=60),
                    max_size=4),
    st.integers(1, 200), st.integers(1, 60), st.integers(0, 70), st.integers(0, 90),
)  # fmt: skip
def test_whatever_is_typed_the_lines_keep_their_width_and_the_cursor_is_in_sight(
    texts: dict[str, str], width: int, height: int, cursor: int, top: int
) -> None:
    form = Form()
    for key, text in texts.items():
        form = form.type(key, text)
    draft = make_draft(form)
    entries = visible_entries(draft, shows_all=True, search="")
    cursor = min(cursor, len(entries) - 1)
    lines = form_lines(draft, entries, cursor, width, "untouched")
    assert not any(CONTROL.search(span.text) for line in lines for span in line.row)
    if width >= 40:
        assert all(row_width(line.row) <= width for line in lines)
    start = first_line(lines, cursor, top, height)
    assert 0 <= start < len(lines)
    own = [number for number, line in enumerate(lines) if line.entry == cursor]
    assert start <= own[0] or cursor == 0
    if height > len(own):
        assert own[0] < start + height or cursor == 0


async def test_hostile_values_are_shown_as_text(registry: Registry) -> None:
    app = DashboardApp(registry)
    async with app.run_test(size=(140, 40)) as pilot:
        await shows(pilot, "no runs here yet")
        await pilot.press("n")
        screen = form_of(app)
        screen._change(screen._form.type("model.name", "[red]\x1b[31mx[/red]\u202e.py:Net"))
        await shows(pilot, "[red]")
        assert "\x1b" not in screen_text(app) and "\u202e" not in screen_text(app)
