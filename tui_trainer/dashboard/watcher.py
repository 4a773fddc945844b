"""The thread that reads run folders and posts pictures of them. It touches no widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from textual.message import Message

from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.detail import StepSpan
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, WatchFailed
from tui_trainer.dashboard.tails import READ_ERRORS, RunList, RunTail
from tui_trainer.dashboard.views import RunsView, RunView
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_facts import RunFacts, read_facts
from tui_trainer.store.run_folder import RunFolder

_LIVE_S = 0.2
_STEPS_S = 0.5
_REST_S = 0.5
_LIST_S = 0.5
_LIST_BEHIND_RUN_S = 2.0
_SPARKED_FIRST, _SPARKED_RUNS = 40, 500


class Watcher(threading.Thread):
    """Looks at the registry and at some of its runs, as often as they can change."""

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
        self._errors: list[Exception] = []
        self._list_due = 0.0
        self._post_due = 0.0
        self._asked: tuple[int, tuple[RunFolder, ...]] = (0, ())
        self._answered = 0
        self._spans: dict[RunFolder, tuple[StepSpan, ...]] = {}
        self._tails: dict[RunFolder, RunTail] = {}
        self._views: dict[RunFolder, RunView] = {}
        self._waiting: dict[RunFolder, RunView] = {}
        self._facts: dict[RunFolder, RunFacts] = {}
        self._failed: set[RunFolder] = set()
        self._turn = 0
        self._wake = threading.Event()
        self._closing = threading.Event()

    def watch(self, folders: Sequence[RunFolder]) -> None:
        """Follow these runs from now on beside the list; without any, only the list."""
        self._spans = {}
        self._asked = (self._asked[0] + 1, tuple(folders))
        self._list_due = 0.0
        self._wake.set()

    def look_closer(self, folder: RunFolder, spans: tuple[StepSpan, ...]) -> None:
        """Show every step of these spans of a run that is watched, however long it is."""
        self._spans = {**self._spans, folder: spans}
        self._wake.set()

    def close(self) -> None:
        """End the thread soon."""
        self._closing.set()
        self._wake.set()

    def run(self) -> None:
        """Look, post, wait; until closed."""
        while not self._closing.is_set():
            self._wake.clear()
            self._errors, self._failed = [], set()
            try:
                pause_s = self._look_at_runs()
                self._look_at_list()
            except Exception as error:  # noqa: BLE001 - the boundary of the thread
                # A thread that dies in silence leaves a screen that looks alive.
                self._errors.append(error)
                pause_s = _REST_S
            self._report()
            if pause_s:
                self._wake.wait(pause_s)

    def _look_at_runs(self) -> float:
        """Read on in every run that is watched; return how long to rest."""
        self._follow_targets()
        if not self._tails:
            return _LIST_S
        spans = self._spans
        for folder, tail in self._tails.items():
            tail.look_closer(spans.get(folder, ()))
        news = self._read([folder for folder, tail in self._tails.items() if not tail.is_behind])
        news |= self._read_on()
        self._post_in_turn(news)
        if self._behind():
            return 0.0
        is_live = any(view.record.state.is_live for view in self._views.values())
        return _LIVE_S if self._waiting or news or is_live else _REST_S

    def _post_in_turn(self, news: dict[RunFolder, RunView]) -> None:
        """Post what a person waits for at once, mere steps no more often than an eye follows."""
        self._waiting |= news
        is_urgent = any(_tells(view, self._views.get(folder)) for folder, view in news.items())
        self._views |= news
        now = time.monotonic()
        if self._waiting and (is_urgent or now >= self._post_due):
            for view in self._waiting.values():
                self._post(RunUpdated(view))
            self._waiting = {}
            self._post_due = now + (_LIVE_S if self._behind() else _STEPS_S)

    def _follow_targets(self) -> None:
        """Keep a tail for each run that is to be watched, and for no other."""
        number, targets = self._asked
        if number == self._answered:
            return
        self._answered = number
        self._tails = {folder: self._tails.get(folder) or RunTail(folder) for folder in targets}
        self._views = {folder: view for folder, view in self._views.items() if folder in targets}
        self._facts = {folder: facts for folder, facts in self._facts.items() if folder in targets}
        self._post_due, self._waiting = 0.0, {}
        for view in self._views.values():
            # Whoever asked may not have seen it.
            self._post(RunUpdated(view))

    def _read(self, folders: Iterable[RunFolder]) -> dict[RunFolder, RunView]:
        """The new pictures after reading a piece of each of these runs."""
        news = {}
        for folder in folders:
            try:
                view = self._tails[folder].read()
            except READ_ERRORS as error:
                self._errors.append(error)
                self._failed.add(folder)
                continue
            if view is not None:
                facts = self._facts[folder] = read_facts(folder.path, self._facts.get(folder))
                news[folder] = replace(view, facts=facts)
        return news

    def _read_on(self) -> dict[RunFolder, RunView]:
        """The new pictures of the runs that are behind, when it is time to post them.

        While long logs load, pictures are posted no faster than they can be drawn. Half of the
        time goes to the first run that is behind, the rest to the others in turn.
        """
        news: dict[RunFolder, RunView] = {}
        while behind := self._behind():
            self._turn += 1
            news |= self._read({behind[0], behind[self._turn % len(behind)]})
            if time.monotonic() >= self._post_due:
                break
        return news

    def _behind(self) -> list[RunFolder]:
        """The runs with more to read at once, but for those that failed to be read just now."""
        return [
            folder
            for folder, tail in self._tails.items()
            if tail.is_behind and folder not in self._failed
        ]

    def _look_at_list(self) -> None:
        now = time.monotonic()
        if now < self._list_due or self._behind():
            return
        is_alone = not self._tails
        self._list_due = now + (_LIST_S if is_alone else _LIST_BEHIND_RUN_S)
        records = self._list.read()
        # The first list is not kept waiting for curves that are not in sight.
        sparked = _SPARKED_FIRST if self._shown is None else _SPARKED_RUNS
        losses = self._list.read_losses(records[:sparked]) if is_alone else {}
        shown = (
            [
                (record.run, record.state, record.snapshot.seq, record.annotations)
                for record in records
            ],
            losses.keys(),
        )
        if shown != self._shown or self._failure:
            is_first, self._shown = self._shown is None, shown
            self._post(RunsUpdated(RunsView(str(self._registry.path), records, losses)))
            if is_first:
                self._list.store()

    def _report(self) -> None:
        """Say what could not be read in this turn, unless that was said before."""
        text = sanitize(str(self._errors[0]), limit=200) if self._errors else ""
        if text and text != self._failure:
            self._post(WatchFailed(text))
        self._failure = text


def _tells(view: RunView, before: RunView | None) -> bool:
    """Whether a picture tells of more than further steps."""
    if before is None:
        return True
    return (
        view.record.state != before.record.state
        or view.record.annotations != before.record.annotations
        or view.happenings[-1:] != before.happenings[-1:]
        or view.console != before.console
        or view.is_whole != before.is_whole
        or view.session != before.session
        # Steps that were merged, cut off, or read again where someone looks closer.
        or view.series.steps.generation != before.series.steps.generation
    )
