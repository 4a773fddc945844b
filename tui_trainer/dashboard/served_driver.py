"""The screen of a dashboard that is shown in a browser."""

from __future__ import annotations

from typing import Any

from textual import events, messages
from textual.drivers.web_driver import WebDriver
from textual.message import Message


class ServedDriver(WebDriver):
    """Textual's, but it ends with its server, opens no addresses and hands out no files."""

    def run_input_thread(self) -> None:
        """Hand on the keys; once the server has gone, the dashboard ends too."""
        super().run_input_thread()
        self._app.post_message(messages.ExitApp())

    def process_message(self, message: Message) -> None:
        """Take a key or the mouse; a size that stands among them was never checked."""
        if not isinstance(message, events.Resize):
            super().process_message(message)

    def open_url(self, url: str, new_tab: bool = True) -> None:
        """No address that a run could name is opened."""

    def deliver_binary(self, binary: Any, **_: Any) -> None:
        """No file leaves through the browser."""
        binary.close()
