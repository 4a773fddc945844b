"""An app and screens that go on where a key, a timer or a picture meets an error of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import ClassVar, cast

from textual import events
from textual.app import App
from textual.screen import Screen

from tui_trainer.dashboard import mishaps
from tui_trainer.dashboard.bindings import Place

_ERROR_S = 12.0


class SturdyApp(App[None]):
    """Says in the footer what failed; without it Textual would end the app."""

    def say(self, text: str, role: str = "warning", seconds: float | None = None) -> None:
        """Say something in the footer of the screen, if it has one."""

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Say what fails in the block, and go on after it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the boundary of what a person does
            self.say(f"this failed: {mishaps.meet(error)}", "error", _ERROR_S)

    async def on_event(self, event: events.Event) -> None:
        """Go on after a key, a click or a timer; an app that cannot begin ends."""
        if isinstance(event, (events.InputEvent, events.Timer, events.Callback)):
            with self.going_on():
                await super().on_event(event)
        else:
            await super().on_event(event)

    def start_work(self, work: Awaitable[None]) -> None:
        """Do something beside the screen, which may be left meanwhile."""

        async def do() -> None:
            with self.going_on():
                await work

        self.run_worker(do())


class SturdyScreen(Screen[None]):
    """Goes on after whatever it is told."""

    PLACE: ClassVar[Place] = "runs"
    """Where a person is who sees it: which keys there are."""

    async def on_event(self, event: events.Event) -> None:
        """Take an event; an error is said in the footer."""
        with cast(SturdyApp, self.app).going_on():
            await super().on_event(event)
