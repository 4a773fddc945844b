"""What every screen with keys of its own has: a footer to say things in, and to ask before acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from textual import events

from tui_trainer.dashboard.sturdy import SturdyScreen
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from tui_trainer.dashboard.app import DashboardApp

_SHOWN_KEYS = {"escape": "esc"}


class DashboardScreen(SturdyScreen):
    """A screen of the dashboard."""

    def __init__(self) -> None:
        super().__init__()
        self._armed_keys: tuple[str, ...] = ()

    def show_run(self, view: RunView) -> None:
        """Show this picture of a run from now on, where the screen shows that run."""

    @property
    def _dashboard(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def say(self, text: str, role: str = "warning") -> None:
        """Say something in the footer."""
        self.query_one(KeyBar).say(text, role)

    async def ask_once(
        self, question: str, then: Callable[[], Awaitable[None]], *keys: str
    ) -> None:
        """Ask in the footer before doing `then`: one of `keys` again does it, any other does not.

        Args:
            question: What is asked, such as `stop run1 with a checkpoint`.
            then: What is done when the key is pressed once more.
            keys: The keys that ask for it, by Textual's names; the first is named in the footer.
        """
        shown = _SHOWN_KEYS.get(keys[0], keys[0])
        text = f"press {shown} again to {question}; any other key: no"
        # Only what can be read is answered.
        if self._armed_keys != keys or self.query_one(KeyBar).notice != text:
            self._armed_keys = keys
            self.say(text)
            return
        self._armed_keys = ()
        await then()

    def on_key(self, event: events.Key) -> None:
        """Any key but those that are asked for calls off what a key asked to confirm."""
        if not self._armed_keys or event.key in self._armed_keys:
            return
        self._armed_keys = ()
        self.query_one(KeyBar).hush()
        # It has answered; what it does else takes another.
        event.stop()
        event.prevent_default()
