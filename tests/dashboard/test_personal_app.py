"""What a person chooses to look at, and finds again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from rich.color import ColorType

from tests.dashboard.conftest import MakeRun, screen_text, shows, until
from tui_trainer.core import events
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.palette import BACKGROUND, ThemeName
from tui_trainer.dashboard.preferences import PreferenceKeeper
from tui_trainer.dashboard.terminal import Appearance, Glyphs, is_on_consoles
from tui_trainer.store import preferences as stored
from tui_trainer.store.preferences import FILE, read_preferences
from tui_trainer.store.registry import Registry


def background(app: DashboardApp, y: int = 0) -> str:
    """The background of the first cell of a line on the screen."""
    segment = next(iter(app.screen._compositor.render_strips()[y]))
    assert segment.style is not None and segment.style.bgcolor is not None
    return segment.style.bgcolor.name


async def test_one_key_makes_it_light_and_dark_again(registry: Registry, make_run: MakeRun) -> None:
    make_run().train()
    app = DashboardApp(registry)
    async with app.run_test(size=(100, 20)) as pilot:
        await shows(pilot, "run1")
        for expected in ("dark", "light", "dark"):
            color = getattr(BACKGROUND, expected)
            await until(
                pilot, lambda color=color: {background(app, y) for y in (0, 1, 8, 19)} == {color}
            )
            await pilot.press("T")
        assert app.preferences.theme == "light"


@pytest.mark.parametrize("theme", ["named", "mono"])
async def test_a_terminal_of_few_colours_keeps_its_own_background(
    registry: Registry, make_run: MakeRun, theme: ThemeName
) -> None:
    make_run().train()
    app = DashboardApp(registry, appearance=Appearance(theme))
    async with app.run_test(size=(100, 20)) as pilot:
        await shows(pilot, "run1")
        strips = app.screen._compositor.render_strips()
        colors = {
            color.type
            for strip in strips
            for segment in strip
            if segment.style is not None
            for color in (segment.style.color, segment.style.bgcolor)
            if color is not None
        }
        assert colors <= {ColorType.DEFAULT, ColorType.STANDARD}
        assert any(segment.style and segment.style.reverse for segment in strips[3])
        await pilot.press("T")
        await shows(pilot, "no colours for another theme")


@pytest.mark.parametrize("glyphs", ["blocks", "ascii"])
async def test_a_terminal_of_few_characters_is_sent_no_others(
    registry: Registry, make_run: MakeRun, glyphs: Glyphs
) -> None:
    for _ in range(25):
        make_run()
    run = make_run(live=True)
    run.train()
    run.emit(events.Message(text="größer als ∑ 漢字 🎉"))
    app = DashboardApp(registry, [run.folder], appearance=Appearance("dark", glyphs))
    async with app.run_test(size=(120, 30)) as pilot:
        await shows(pilot, "run26", "running")
        await until(pilot, lambda: "step 25" in screen_text(app))
        assert_shows_only(app, glyphs)
        await pilot.press("q")
        await shows(pilot, "26 runs", "* running" if glyphs == "ascii" else "• running")
        assert_shows_only(app, glyphs)


def assert_shows_only(app: DashboardApp, glyphs: Glyphs) -> None:
    """Whether each cell of the screen holds a character that the terminal has."""
    text = screen_text(app)
    assert all(len(line) == 120 for line in text.split("\n"))
    for character in set(text):
        assert character.isascii() or (glyphs == "blocks" and is_on_consoles(character))


async def test_choices_are_found_again_by_the_next_dashboard(
    registry: Registry, tmp_path: Path
) -> None:
    app = DashboardApp(registry, keeper=PreferenceKeeper(tmp_path))
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("T")
        app.remember(page=3, metrics={"loss": "lr"})
    kept = PreferenceKeeper(tmp_path).current
    assert (kept.theme, kept.page, kept.metrics) == ("light", 3, {"loss": "lr"})


async def test_choices_are_written_while_it_is_open(registry: Registry, tmp_path: Path) -> None:
    app = DashboardApp(registry, keeper=PreferenceKeeper(tmp_path))
    async with app.run_test(size=(80, 20)) as pilot:
        app.remember(smoothing=4)
        await until(pilot, lambda: read_preferences(tmp_path).smoothing == 4)


async def test_a_disk_that_takes_no_choices_is_told_of_once(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stored, "replace_file", refuse)
    app = DashboardApp(registry, keeper=PreferenceKeeper(tmp_path))
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("T")
        await shows(pilot, "choices are not remembered", "No space left")
        keeper = app._keeper
        keeper.change(page=2)
        assert keeper.write(keeper.take_changes()) == ""
        assert app.preferences.page == 2 and app.preferences.theme == "light"
    assert not (tmp_path / FILE).exists()


async def test_without_a_folder_nothing_is_written(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUITRAIN_STATE", str(tmp_path / "state"))
    app = DashboardApp(registry)
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("T")
        assert app.preferences.theme == "light"
    assert not (tmp_path / "state").exists()
