"""The thread that follows runs and posts pictures of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from textual.message import Message

from tests.builders import steps
from tests.command import PATIENCE_S
from tests.dashboard.conftest import MadeRun, MakeRun
from tui_trainer.core import events
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, WatchFailed
from tui_trainer.dashboard.tails import RunTail
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.watcher import Watcher
from tui_trainer.errors import StorageError
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder


class Posts:
    """What a watcher posted, waited for."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._news = threading.Condition()

    def post(self, message: Message) -> None:
        with self._news:
            self._messages.append(message)
            self._news.notify_all()

    @property
    def messages(self) -> list[Message]:
        with self._news:
            return list(self._messages)

    def forget(self) -> None:
        with self._news:
            self._messages.clear()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(condition, timeout=PATIENCE_S), self._messages

    def views(self, run: MadeRun) -> list[RunView]:
        return [
            message.view
            for message in self.messages
            if isinstance(message, RunUpdated) and message.view.record.run == run.run
        ]

    def reached(self, run: MadeRun) -> int:
        views = self.views(run)
        return views[-1].record.snapshot.step if views and views[-1].is_whole else -1


@pytest.fixture
def posts() -> Posts:
    return Posts()


@pytest.fixture
def watcher(registry: Registry, posts: Posts) -> Iterator[Watcher]:
    thread = Watcher(registry, posts.post)
    yield thread
    thread.close()
    if thread.is_alive():
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_several_runs_are_followed_at_once_and_a_run_left_out_is_not(
    make_run: MakeRun, watcher: Watcher, posts: Posts
) -> None:
    runs = [make_run(live=True) for _ in range(3)]
    for run in runs:
        run.train()
    watcher.watch([run.folder for run in runs])
    watcher.start()
    posts.wait_for(lambda: all(posts.reached(run) == 25 for run in runs))
    posts.forget()
    watcher.watch([runs[0].folder, runs[1].folder])
    # It shows again those that are asked for, and by then reads no other any more.
    posts.wait_for(lambda: all(posts.reached(run) == 25 for run in runs[:2]))
    posts.forget()
    for run in reversed(runs):
        run.emit(steps(26, 2, epoch=3))
    posts.wait_for(lambda: all(posts.reached(run) == 27 for run in runs[:2]))
    assert not posts.views(runs[2])


def test_a_picture_holds_what_the_run_was_asked_to_do(
    make_run: MakeRun, watcher: Watcher, posts: Posts
) -> None:
    run = make_run()
    run.train()
    watcher.watch([run.folder])
    watcher.start()
    posts.wait_for(lambda: posts.reached(run) == 25)
    facts = posts.views(run)[-1].facts
    assert facts is not None and facts.config is not None and facts.environment is not None
    assert facts.config.training.seed == 0


def test_who_asks_for_a_run_again_sees_it_again(
    make_run: MakeRun, watcher: Watcher, posts: Posts
) -> None:
    run, other = make_run(), make_run()
    for made in (run, other):
        made.train()
    watcher.watch([run.folder])
    watcher.start()
    posts.wait_for(lambda: posts.reached(run) == 25)
    posts.forget()
    watcher.watch([run.folder, other.folder])
    posts.wait_for(lambda: posts.reached(run) == 25 and posts.reached(other) == 25)
    watcher.watch([])
    posts.forget()
    watcher.watch([other.folder])
    posts.wait_for(lambda: posts.reached(other) == 25)


def test_without_runs_to_watch_the_list_is_kept_up_to_date(
    make_run: MakeRun, watcher: Watcher, posts: Posts
) -> None:
    watcher.start()
    run = make_run()
    run.train()

    def is_listed() -> bool:
        lists = [message for message in posts.messages if isinstance(message, RunsUpdated)]
        return bool(lists) and [record.run for record in lists[-1].view.records] == [run.run]

    posts.wait_for(is_listed)
    assert not posts.views(run)


def test_every_run_gets_on_while_long_logs_load_and_the_first_fastest(
    make_run: MakeRun, watcher: Watcher, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run() for _ in range(4)]
    for run in runs:
        run.train()
    reads: list[str] = []
    pieces = 12
    read = RunTail.read

    def read_slowly(self: RunTail) -> RunView | None:
        reads.append(self.folder.run)
        time.sleep(0.005)
        return read(self)

    def is_behind(self: RunTail) -> bool:
        return reads.count(self.folder.run) < pieces

    monkeypatch.setattr(RunTail, "read", read_slowly)
    monkeypatch.setattr(RunTail, "is_behind", property(is_behind))
    watcher.watch([run.folder for run in runs])
    watcher.start()
    posts.wait_for(lambda: all(reads.count(run.run) >= pieces for run in runs))
    first_done = [run.run for run in runs].index(_first_to(reads, pieces))
    assert first_done == 0
    until_then = reads[: _index_of(reads, runs[0].run, pieces)]
    assert all(until_then.count(run.run) >= 3 for run in runs)


def _first_to(reads: list[str], count: int) -> str:
    for index in range(len(reads)):
        if reads[: index + 1].count(reads[index]) == count:
            return reads[index]
    raise AssertionError(reads)


def _index_of(reads: list[str], run: str, count: int) -> int:
    return [index for index, name in enumerate(reads) if name == run][count - 1]


def test_a_run_that_cannot_be_read_is_told_once_and_the_others_go_on(
    make_run: MakeRun, watcher: Watcher, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = make_run(live=True), make_run(live=True)
    for run in (broken, whole):
        run.train()
    read = RunTail.read

    def refuse(self: RunTail) -> RunView | None:
        if self.folder == broken.folder:
            raise PermissionError(13, "Permission \x1b[2Jdenied")
        return read(self)

    monkeypatch.setattr(RunTail, "read", refuse)
    watcher.watch([broken.folder, whole.folder])
    watcher.start()
    for step in range(26, 30):
        whole.emit(steps(step, 1, epoch=3))
        posts.wait_for(lambda step=step: posts.reached(whole) == step)  # type: ignore[misc]
    failures = [message.text for message in posts.messages if isinstance(message, WatchFailed)]
    assert failures == ["[Errno 13] Permission denied"]


def test_the_thread_outlives_what_nobody_foresaw(
    make_run: MakeRun, watcher: Watcher, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(live=True)
    run.train()
    troubles = iter([KeyError("never seen"), StorageError("broken", "mend it")])
    read = RunTail.read

    def fail_twice(self: RunTail) -> RunView | None:
        trouble = next(troubles, None)
        if trouble is not None:
            raise trouble
        return read(self)

    monkeypatch.setattr(RunTail, "read", fail_twice)
    watcher.watch([run.folder])
    watcher.start()
    posts.wait_for(lambda: posts.reached(run) == 25)
    run.emit(events.Message(text="on it goes"))
    posts.wait_for(lambda: posts.views(run)[-1].happenings[-1].text == "on it goes")


def test_a_closer_look_is_asked_of_the_run_it_is_meant_for(
    make_run: MakeRun, watcher: Watcher, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = make_run(), make_run()
    asked: dict[RunFolder, object] = {}
    monkeypatch.setattr(
        RunTail, "look_closer", lambda self, spans: asked.__setitem__(self.folder, spans)
    )
    watcher.watch([run.folder, other.folder])
    watcher.look_closer(other.folder, ((3, 9),))
    watcher.start()
    posts.wait_for(lambda: len(posts.views(run)) > 0 and len(posts.views(other)) > 0)
    assert asked == {run.folder: (), other.folder: ((3, 9),)}
