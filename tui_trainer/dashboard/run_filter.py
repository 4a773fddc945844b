"""Which runs are listed: a query over them, and the settings that it may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tui_trainer.core.config.fields import settings_of
from tui_trainer.core.query import Query
from tui_trainer.core.query_keys import SettingValue
from tui_trainer.core.run_record import RunRecord
from tui_trainer.errors import StorageError
from tui_trainer.store.config_sources import read_config

_Settings = dict[str, Mapping[str, SettingValue]]


class RunFilter:
    """Finds the runs that fit a query. A run's settings are read once, when first asked for."""

    def __init__(self) -> None:
        self._settings: _Settings = {}

    def matching(self, query: Query, records: Iterable[RunRecord], now: float) -> list[RunRecord]:
        """The runs that fit, in their order; of settings that were not read nothing is known."""
        return [
            record
            for record in records
            if query.matches(record, now, self._settings.get(record.path))
        ]

    def unread(self, query: Query, records: Sequence[RunRecord]) -> list[str]:
        """The folders whose settings the query needs and that nobody was asked to read."""
        if not query.needs_settings:
            return []
        missing = [record.path for record in records if record.path not in self._settings]
        self._settings |= {folder: {} for folder in missing}
        return missing

    async def read(self, folders: Sequence[str]) -> None:
        """Read the settings of these runs, without holding up the screen."""
        self._settings |= await asyncio.to_thread(_read_settings, folders)


def _read_settings(folders: Sequence[str]) -> _Settings:
    settings: _Settings = {}
    for folder in folders:
        try:
            settings[folder] = settings_of(read_config(Path(folder)))
        except StorageError:
            settings[folder] = {}
    return settings
