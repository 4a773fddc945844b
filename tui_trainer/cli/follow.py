"""Following a run in this terminal, over its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tui_trainer.core.events import Event
from tui_trainer.core.run_record import RunRecord
from tui_trainer.launch.follower import Follower
from tui_trainer.store.run_folder import RunFolder


class Display(Protocol):
    """Shows a run as it goes on."""

    def show(self, events: list[Event], record: RunRecord) -> None:
        """Take what is new."""

    def close(self) -> None:
        """Nothing more will come."""


def follow(
    folder: RunFolder, make_display: Callable[[], Display], is_over: Callable[[RunRecord], bool]
) -> RunRecord:
    """Show a run until `is_over` holds; its last record comes back."""
    follower = Follower(folder)
    display = make_display()
    try:
        display.show([], follower.now())
        for events, record in follower.until(is_over):
            display.show(events, record)
        # What was written between the last read and the end.
        events, record = follower.poll()
        display.show(events, record)
        return record
    finally:
        display.close()
