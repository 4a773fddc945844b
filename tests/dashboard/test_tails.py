"""Following run folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from textual.message import Message

from tests.builders import log_bytes, resumed, session_start, steps
from tests.command import PATIENCE_S, wait_until
from tests.dashboard.conftest import MakeRun
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.run_state import RunState
from tui_trainer.dashboard import tails
from tui_trainer.dashboard import watcher as watcher_module
from tui_trainer.dashboard.messages import RunsUpdated, RunUpdated, WatchFailed
from tui_trainer.dashboard.tails import LossTail, RunList, RunTail
from tui_trainer.dashboard.views import RunsView, RunView
from tui_trainer.dashboard.watcher import Watcher
from tui_trainer.store import record_reader, run_folder
from tui_trainer.store.index import Index
from tui_trainer.store.registry import Registry

MEBIBYTE = 1 << 20


def big_log(path: Path, size: int) -> int:
    """A log of at least `size` bytes; the number of its steps."""
    block, count = 500, 0
    all_events: list[events.Event] = [session_start(steps=10**6)]
    while len(all_events) * block * 30 < size:
        all_events.append(steps(count + 1, block))
        count += block
    path.write_bytes(log_bytes(all_events))
    return count


def test_a_long_log_is_read_in_pieces(make_run: MakeRun) -> None:
    run = make_run()
    count = big_log(run.folder.events, 6 * MEBIBYTE)
    tail = RunTail(run.folder)
    views = [tail.read()]
    while tail.is_behind:
        views.append(tail.read())
    shares = [view.read_share for view in views if view is not None]
    assert len(shares) > 1
    assert shares == sorted(shares) and shares[-1] == 1.0 and shares[0] < 1.0
    last = views[-1]
    assert last is not None and last.series.steps.step[-1] == count
    assert tail.read() is None  # nothing new


def test_what_is_known_comes_first_from_the_summary(make_run: MakeRun) -> None:
    run = make_run()
    run.train()
    run.writer.close()
    with open(run.folder.events, "rb") as log:
        known_size = len(log.read())
    reads = RunTail(run.folder)
    reads._reader.read = lambda limit_bytes=0: tails.Batch(at_end=False)  # type: ignore[method-assign]
    view = reads.read()
    assert known_size and view is not None
    assert view.record.snapshot.step == 25
    assert not view.is_whole and len(view.series.steps) == 0
    run.writer = type(run.writer)(run.folder.path)


def test_a_log_that_was_replaced_starts_the_picture_anew(make_run: MakeRun) -> None:
    run = make_run()
    run.folder.events.write_bytes(log_bytes([session_start(), steps(1, 9)]))
    tail = RunTail(run.folder)
    tail.read()
    other = run.folder.path / "other"
    other.write_bytes(log_bytes([session_start(), steps(1, 2)]))
    other.rename(run.folder.events)
    view = tail.read()
    assert view is not None
    assert len(view.series.steps) == view.record.snapshot.step == 2
    assert len(view.happenings) == 1


def test_numbers_that_are_none_count_as_damage_and_stop_nothing(make_run: MakeRun) -> None:
    run = make_run()
    nonsense = steps(1, 1, samples_per_s="many")
    run.folder.events.write_bytes(log_bytes([session_start(), nonsense, steps(2, 3)]))
    view = RunTail(run.folder).read()
    assert view is not None
    assert view.record.snapshot.step == 4


def test_a_folder_that_goes_away_is_no_crash(make_run: MakeRun) -> None:
    run = make_run()
    run.train()
    tail = RunTail(run.folder)
    tail.read()
    shutil.rmtree(run.folder.path)
    tail.read()
    run.folder.path.mkdir()  # for the fixture's last summary


def test_the_list_is_newest_first_and_reads_only_logs_that_grew(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_run(), make_run()
    first.train()
    second.train()
    runs = RunList(registry)
    assert [record.run for record in runs.read()] == ["run2", "run1"]
    read: list[str] = []
    original = record_reader.read_fold

    def counting(run: Path) -> object:
        read.append(run.name)
        return original(run)

    monkeypatch.setattr(record_reader, "read_fold", counting)
    runs.read()
    assert read == []
    first.emit(steps(26, 2, epoch=3))
    (_, changed) = runs.read()
    assert read == ["run1"] and changed.snapshot.step == 27


def test_the_list_sees_a_run_die(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    runs = RunList(registry)
    assert [record.state for record in runs.read()] == [RunState.RUNNING]
    assert run.lease is not None
    run.lease.release()
    assert [record.state for record in runs.read()] == [RunState.INTERRUPTED]


def test_points_of_the_loss_follow_a_resume(make_run: MakeRun) -> None:
    run = make_run()
    run.emit(session_start(), steps(1, 400, loss=(2.0,) * 400))
    tail = LossTail(run.folder)
    assert len(tail.read()) == 24
    run.emit(resumed(2), steps(3, 2, loss=(7.0, 7.0)))
    assert tail.read().tolist() == [2.0, 2.0, 7.0, 7.0]


def test_points_of_a_long_loss_stand_for_equal_parts_of_the_run(make_run: MakeRun) -> None:
    run, count = make_run(), 60_000
    run.emit(session_start(steps=count))
    for first in range(1, count + 1, 500):
        run.emit(steps(first, 500, loss=(1.0 if first <= count // 2 else 0.0,) * 500))
    points = LossTail(run.folder).read()
    assert len(points) == 24
    assert points[:11].tolist() == [1.0] * 11 and points[13:].tolist() == [0.0] * 11


def test_files_that_are_as_they_were_are_not_opened(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(live=True)
    run.train()
    tail = RunTail(run.folder)
    before = tail.read()
    assert before is not None and before.record.snapshot.step == 25
    with monkeypatch.context() as closed:
        closed.setattr(tails, "read_annotations", None)
        assert tail.read() is None
    (run.folder.path / paths.WORKER_LOG).write_text("printed\n")
    printed = tail.read()
    assert printed is not None and printed.console != before.console
    # Nothing is made anew of events that are the same.
    assert printed.happenings is before.happenings
    run.emit(steps(26, 1), events.Message(text="something new"))
    after = tail.read()
    assert after is not None and after.record.snapshot.step == 26
    assert len(after.happenings) == len(before.happenings) + 1


def test_a_list_that_was_read_comes_sooner_the_next_time(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, live = make_run(), make_run(live=True)
    for run in (ended, live):
        run.train()
    Watcher(registry, lambda message: None)._look_at_list()
    # A live run is another one at the next look.
    assert list(Index(registry.path).read()) == [ended.folder.run]
    opened: list[Path] = []
    monkeypatch.setattr(
        record_reader, "read_fold", lambda run: opened.append(run) or run_folder.read_fold(run)
    )
    records = RunList(registry).read()
    assert opened == [live.folder.path]
    assert [record.snapshot.step for record in records] == [25, 25]


def test_the_watcher_posts_only_what_changed(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the lines below take, steps have not waited for long enough.
    monkeypatch.setattr(watcher_module, "_STEPS_S", 1e9)
    run = make_run(live=True)
    run.train()
    posted: list[Message] = []
    watcher = Watcher(registry, posted.append)
    watcher.watch([run.folder])
    for _ in range(5):
        watcher._look_at_runs()
        watcher._look_at_list()
    assert [type(message) for message in posted] == [RunUpdated, RunsUpdated]
    run.emit(steps(26, 1, epoch=3))
    watcher._look_at_runs()
    assert len(posted) == 2  # steps alone are in no hurry
    run.emit(events.Message(text="something that a person waits for"))
    watcher._look_at_runs()
    assert isinstance(posted[-1], RunUpdated)
    assert posted[-1].view.record.snapshot.step == 26


def test_a_newer_picture_replaces_one_that_waits(make_run: MakeRun) -> None:
    first, second = make_run(), make_run()
    views = []
    for run in (first, second):
        run.train()
        view = RunTail(run.folder).read()
        assert view is not None
        views.append(view)
    assert RunUpdated(views[0]).can_replace(RunUpdated(views[0]))
    assert not RunUpdated(views[0]).can_replace(RunUpdated(views[1]))
    assert RunsUpdated(RunsView("")).can_replace(RunsUpdated(RunsView("")))
    assert not WatchFailed("").can_replace(RunsUpdated(RunsView("")))


def test_nothing_in_the_log_is_read_twice(make_run: MakeRun) -> None:
    run = make_run()
    run.train()
    tail = RunTail(run.folder)
    tail.read()
    size = (run.folder.path / paths.EVENTS).stat().st_size
    assert tail._reader.offset == size


def test_curves_of_many_runs_are_read_little_by_little(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_run().train()
    monkeypatch.setattr(tails, "_SPARK_READ_BYTES", 1)
    runs = RunList(registry)
    records = runs.read()
    assert [len(runs.read_losses(records)) for _ in range(4)] == [1, 2, 3, 3]


def test_the_last_points_of_a_run_that_ended_are_read(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.emit(session_start(), steps(1, 2))
    runs = RunList(registry)
    assert len(runs.read_losses(runs.read())["run1"]) == 2
    run.emit(steps(3, 2))
    run.close()
    assert len(runs.read_losses(runs.read())["run1"]) == 4
    run.writer = type(run.writer)(run.folder.path)


def test_a_fault_of_the_watcher_is_said_not_swallowed(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run().train()
    posted: list[Message] = []

    def fault(self: RunList) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(RunList, "read", fault)
    watcher = Watcher(registry, posted.append)
    watcher.start()
    wait_until(lambda: posted, "a word of it")
    assert watcher.is_alive()
    watcher.close()
    watcher.join(PATIENCE_S)
    assert isinstance(posted[0], WatchFailed)
    assert "a fault of ours" in posted[0].text


def read_whole(tail: RunTail) -> RunView:
    """Read until nothing is left to read, and return the newest picture."""
    view = tail.read()
    while tail.is_behind or view is None:
        view = tail.read() or view
    return view


def test_every_step_of_a_span_is_shown_again_however_long_the_run(make_run: MakeRun) -> None:
    run, count, block = make_run(), 90_000, 500
    values = np.random.default_rng(0).normal(size=count).astype(np.float32).astype(float)
    run.emit(session_start())
    for start in range(0, count, block):
        run.emit(steps(start + 1, block, loss=tuple(values[start : start + block].tolist())))
    tail = RunTail(run.folder)
    merged = read_whole(tail).series.steps
    assert len(merged) < count
    spans = ((10_000, 10_400), (40_000, 47_000))
    tail.look_closer(spans)
    table = read_whole(tail).series.steps
    for first, last in spans:
        part = table.between(first, last)
        assert part.step.tolist() == list(range(first, last + 1))
        assert part["loss"].tolist() == values[first - 1 : last].tolist()
    assert np.all(np.diff(table.step) > 0) and table.step[-1] == count
    tail.look_closer(())
    assert len(read_whole(tail).series.steps) == len(merged)


def test_a_span_is_read_from_the_branch_that_lives(make_run: MakeRun) -> None:
    run = make_run()
    run.emit(session_start())
    for start in range(0, 60_000, 500):
        run.emit(steps(start + 1, 500, loss=(1.0,) * 500))
    run.emit(resumed(from_step=20_000))
    for start in range(20_000, 110_000, 500):
        run.emit(steps(start + 1, 500, loss=(2.0,) * 500))
    tail = RunTail(run.folder)
    read_whole(tail)
    tail.look_closer(((19_900, 20_100),))
    part = read_whole(tail).series.steps.between(19_900, 20_100)
    assert part.step.tolist() == list(range(19_900, 20_101))
    assert part["loss"].tolist() == [1.0] * 101 + [2.0] * 100
