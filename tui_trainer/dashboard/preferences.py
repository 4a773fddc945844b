"""The choices that this dashboard goes by, and writing them down for the next one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tui_trainer.core.text_safety import sanitize
from tui_trainer.store.preferences import Preferences, read_preferences, write_preferences


class PreferenceKeeper:
    """The choices as of now. Without a folder, or where it only reads, new ones are forgotten."""

    def __init__(self, folder: Path | None = None, *, only_reads: bool = False) -> None:
        self._folder = None if only_reads else folder
        self.current = read_preferences(folder) if folder is not None else Preferences()
        self._changes: dict[str, Any] = {}
        self._has_failed = False

    def change(self, **changes: Any) -> None:
        """Go by these choices from now on."""
        new = {
            name: value for name, value in changes.items() if getattr(self.current, name) != value
        }
        self.current = msgspec.structs.replace(self.current, **new)
        self._changes |= new

    def take_changes(self) -> Mapping[str, Any]:
        """What was not yet written down; it is up to the caller then."""
        changes, self._changes = self._changes, {}
        return changes

    def write(self, changes: Mapping[str, Any]) -> str:
        """Write down changes; returns what to say if that fails, the first time that it does."""
        if self._folder is None or not changes:
            return ""
        try:
            write_preferences(self._folder, changes)
        except OSError as error:
            has_failed, self._has_failed = self._has_failed, True
            text = f"choices are not remembered: {sanitize(str(error), limit=160)}"
            return "" if has_failed else text
        return ""
