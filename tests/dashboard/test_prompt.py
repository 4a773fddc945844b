"""The line to type in."""

from __future__ import annotations

from typing import ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tests.dashboard.conftest import screen_lines, shows, until
from tui_trainer.dashboard.themes import THEMES
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.dashboard.widgets.text_rows import TextRows

EVERY_OTHER_KEY = ["up", "tab", "down", "f1", "pageup", "ctrl+s", "pagedown", "ctrl+b", "ctrl+g"]


class Desk(Screen[None]):
    """A screen with keys of its own and a footer, as those of the dashboard have."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, "obey", show=False, priority=number % 2 == 0)
        for number, key in enumerate(["j", "q", "space", "escape", "enter", *EVERY_OTHER_KEY])
    ]

    def __init__(self) -> None:
        super().__init__()
        self.obeyed = 0
        self.heard: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield TextRows(id="panes")
        yield KeyBar("runs")

    def action_obey(self) -> None:
        self.obeyed += 1

    def on_prompt_changed(self, message: Prompt.Changed) -> None:
        self.heard.append(("changed", message.value))

    def on_prompt_submitted(self, message: Prompt.Submitted) -> None:
        self.heard.append(("submitted", message.value))

    def on_prompt_cancelled(self, message: Prompt.Cancelled) -> None:
        self.heard.append(("cancelled", message.prompt.value))
        message.prompt.close()


class DeskApp(App[None]):
    CSS_PATH = "../../tui_trainer/dashboard/theme.tcss"

    async def on_mount(self) -> None:
        self.register_theme(THEMES["dark"])
        self.theme = THEMES["dark"].name
        await self.push_screen(Desk())


async def open_prompt(app: App[None], prompt: Prompt) -> Desk:
    desk = app.screen
    assert isinstance(desk, Desk)
    await desk.mount(prompt)
    return desk


async def test_it_takes_the_place_of_the_footer_and_gives_it_back() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 10)) as pilot:
        await shows(pilot, "enter open")
        desk = await open_prompt(app, Prompt("filter", "acc", "enter keeps"))
        await shows(pilot, "filter acc", "enter keeps")
        footer = screen_lines(app)[-1]
        assert footer.startswith(" filter acc ") and footer.rstrip().endswith("enter keeps")
        assert "enter open" not in footer
        await pilot.press("escape")
        await shows(pilot, "enter open")
        assert desk.heard == [("cancelled", "acc")]
        await pilot.press("j")
        assert desk.obeyed == 1


async def test_what_is_typed_is_told_and_reaches_no_key_of_the_screen() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 10)) as pilot:
        desk = await open_prompt(app, Prompt("filter"))
        await pilot.press("q", "space", "j", *EVERY_OTHER_KEY, "left", "x", "enter")
        await until(pilot, lambda: ("submitted", "q xj") in desk.heard)
        assert desk.heard == [
            *[("changed", text) for text in ("q", "q ", "q j", "q xj")],
            ("submitted", "q xj"),
        ]
        assert desk.obeyed == 0


async def test_what_is_wrong_stands_in_place_of_the_hint() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 10)) as pilot:
        prompt = Prompt("lr", "0.1", "a number")
        await open_prompt(app, prompt)
        prompt.complain("0 is not above 0.")
        await shows(pilot, "0 is not above 0.")
        assert prompt.complaint == "0 is not above 0."
        assert "a number" not in screen_lines(app)[-1]
        prompt.complain("")
        await shows(pilot, "a number")
        assert prompt.complaint == ""


async def test_selected_text_is_replaced_by_the_first_key() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 10)) as pilot:
        prompt = Prompt("lr", "0.1", select=True)
        await open_prompt(app, prompt)
        await pilot.press("2")
        await until(pilot, lambda: prompt.value == "2")


async def test_a_click_elsewhere_leaves_the_keys_with_it() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 10)) as pilot:
        prompt = Prompt("filter")
        desk = await open_prompt(app, prompt)
        await pilot.click("#panes", offset=(3, 3))
        await pilot.press("q")
        await until(pilot, lambda: prompt.value == "q")
        assert desk.obeyed == 0


@pytest.mark.parametrize("width", [1, 8, 20, 60, 250])
async def test_long_and_hostile_text_never_breaks_the_line(width: int) -> None:
    hostile = "\x1b[31m[red]図" + "表" * 300 + "\u202e"
    app = DeskApp()
    async with app.run_test(size=(width, 4)) as pilot:
        prompt = Prompt(hostile, hostile, hostile)
        await open_prompt(app, prompt)
        prompt.complain(hostile)
        await pilot.press("end", "x")
        await until(pilot, lambda: prompt.value.endswith("x"))
        assert prompt.value.startswith("[red]図")
        text = "".join(screen_lines(app))
        assert "\x1b" not in text and "\u202e" not in text


async def test_keys_in_one_burst_are_obeyed_in_order() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 4)) as pilot:
        prompt = Prompt("filter", "old text")
        desk = await open_prompt(app, prompt)
        for key in ("ctrl+u", "a", "b", "left", "c", "backspace", "d", "home", "e", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: ("submitted", "eadb") in desk.heard)
        assert desk.obeyed == 0


async def test_keys_typed_ahead_of_the_answer_go_where_keys_go_then() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 4)) as pilot:
        prompt = Prompt("filter")
        desk = await open_prompt(app, prompt)
        for key in ("a", "enter", "j", "j"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: ("submitted", "a") in desk.heard)
        await pilot.pause()
        assert prompt.value == "a" and desk.obeyed == 0
        prompt.complain("not that")
        await until(pilot, lambda: prompt.value == "ajj")
        for key in ("escape", "j", "q"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: desk.obeyed == 2)
        assert desk.heard[-1] == ("cancelled", "ajj")


async def test_pasted_text_loses_what_a_terminal_would_obey() -> None:
    app = DeskApp()
    async with app.run_test(size=(80, 4)) as pilot:
        prompt = Prompt("filter")
        await open_prompt(app, prompt)
        app.screen.post_message(events.Paste("a\x1b[2Jb\u202ec\nnext line"))
        await until(pilot, lambda: prompt.value == "abc")
