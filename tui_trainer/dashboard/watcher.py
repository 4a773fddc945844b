"""The thread that reads run folders and posts pictures of them. It touches no widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from textual.message import Message

from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, WatchFailed
from tui_trainer.dashboard.tails import RunList, RunTail
from tui_trainer.dashboard.views import RunsView
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

_LIVE_S = 0.1
_REST_S = 0.5
_LIST_S = 0.5
_LIST_BEHIND_RUN_S = 2.0
_SPARKED_RUNS = 40


class Watcher(threading.Thread):
    """Looks at the registry and at one run, as often as they can change."""

    def __init__(
        self,
        registry: Registry,
        post: Callable[[Message], object],
        only: frozenset[str] | None = None,
    ) -> None:
        super().__init__(name="watcher", daemon=True)
        self._registry = registry
        self._post = post
        self._list = RunList(registry, only)
        self._shown: object = None
        self._failure = ""
        self._list_due = 0.0
        self._post_due = 0.0
        self._target: RunFolder | None = None
        self._tail: RunTail | None = None
        self._is_live = True
        self._wake = threading.Event()
        self._closing = threading.Event()

    def watch(self, folder: RunFolder | None) -> None:
        """Follow this run from now on, or, with None, only the list."""
        self._target = folder
        self._list_due = 0.0
        self._wake.set()

    def close(self) -> None:
        """End the thread soon."""
        self._closing.set()
        self._wake.set()

    def run(self) -> None:
        """Look, post, wait; until closed."""
        while not self._closing.is_set():
            self._wake.clear()
            try:
                pause_s = self._look_at_run()
                self._look_at_list()
                self._failure = ""
            except Exception as error:  # noqa: BLE001 - the boundary of the thread
                # A thread that dies in silence leaves a screen that looks alive.
                self._report(error)
                pause_s = _REST_S
            if pause_s:
                self._wake.wait(pause_s)

    def _look_at_run(self) -> float:
        """Read on in the run that is watched; return how long to rest."""
        target = self._target
        if target is None:
            self._tail = None
            return _LIST_S
        if self._tail is None or self._tail.folder != target:
            self._tail, self._post_due = RunTail(target), 0.0
        view = self._tail.read()
        # While a long log loads, pictures are posted no faster than they can be drawn.
        while self._tail.is_behind and time.monotonic() < self._post_due:
            view = self._tail.read() or view
        if view is None:
            return _LIVE_S if self._is_live else _REST_S
        self._is_live = view.record.state.is_live
        self._post(RunUpdated(view))
        self._post_due = time.monotonic() + _LIVE_S
        return 0.0 if self._tail.is_behind else _LIVE_S

    def _look_at_list(self) -> None:
        now = time.monotonic()
        if now < self._list_due or (self._tail is not None and self._tail.is_behind):
            return
        self._list_due = now + (_LIST_S if self._target is None else _LIST_BEHIND_RUN_S)
        records = self._list.read()
        losses = self._list.read_losses(records[:_SPARKED_RUNS]) if self._target is None else {}
        shown = (
            [
                (record.run, record.state, record.snapshot.seq, record.annotations)
                for record in records
            ],
            losses.keys(),
        )
        if shown != self._shown or self._failure:
            self._shown = shown
            self._post(RunsUpdated(RunsView(str(self._registry.path), records, losses)))

    def _report(self, error: Exception) -> None:
        text = sanitize(str(error), limit=200)
        if text != self._failure:
            self._failure = text
            self._post(WatchFailed(text))
