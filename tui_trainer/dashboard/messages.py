"""Messages from the watcher to the app. A newer picture replaces one still waiting."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from tui_trainer.dashboard.views import RunsView, RunView


@dataclass
class RunsUpdated(Message):
    """The list of runs is different now."""

    view: RunsView

    def can_replace(self, message: Message) -> bool:
        """Only the newest list is worth drawing."""
        return isinstance(message, RunsUpdated)


@dataclass
class RunUpdated(Message):
    """More is known of the run that is being watched."""

    view: RunView

    def can_replace(self, message: Message) -> bool:
        """Only the newest picture of one run is worth drawing."""
        return isinstance(message, RunUpdated) and message.view.record.path == self.view.record.path


@dataclass
class Said(Message):
    """Something that was started has something to say; without `seconds`, for the usual time."""

    text: str
    role: str = "text"
    seconds: float | None = None


@dataclass
class WatchFailed(Message):
    """Something could not be read; the last picture stays."""

    text: str

    def can_replace(self, message: Message) -> bool:
        """Only the newest failure is shown."""
        return isinstance(message, WatchFailed)
