"""The command palette: every key of the place by what it does, and every run by its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.types import IgnoreReturnCallbackType

from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.bindings import keys_of, places_at

if TYPE_CHECKING:
    from tui_trainer.dashboard.app import DashboardApp

_NAME_LIMIT = 64
_MOST_RUNS = 500


class Commands(Provider):
    """What can be done here, whether its key is remembered or not."""

    async def discover(self) -> Hits:
        """What the keys of this place do."""
        for text, meaning, command in self._keys():
            yield DiscoveryHit(Content(text), command, text=text, help=meaning)

    async def search(self, query: str) -> Hits:
        """What matches, of keys and of runs."""
        matcher = self.matcher(query)
        for text, meaning, command in (*self._keys(), *self._runs()):
            score = max(matcher.match(text), matcher.match(meaning))
            if score > 0:
                # Names of runs are text, never markup.
                yield Hit(score, Content(text), command, text=text, help=meaning)

    @property
    def _dashboard(self) -> DashboardApp:
        return cast("DashboardApp", self.app)

    def _keys(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        for place in places_at(self._dashboard.place_of(self.screen)):
            target = self.app if place == "everywhere" else self.screen
            for key in keys_of(place):
                text = f"{key.label}  ({key.shown})"
                yield text, key.meaning, partial(self.app.run_action, key.action, target)

    def _runs(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        for record in self._dashboard.records[:_MOST_RUNS]:
            name = sanitize(record.annotations.name, limit=_NAME_LIMIT)
            text = " ".join(filter(None, ("open", sanitize(record.run, limit=20), name)))
            yield text, record.state.value, partial(self._dashboard.open_run, record)
