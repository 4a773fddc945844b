"""The writer's side of a run folder."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests import builders
from tui_trainer import paths
from tui_trainer.core.event_lines import encode_line
from tui_trainer.core.events import CheckpointSaved, Finished, Message
from tui_trainer.errors import RunStateError, StorageError
from tui_trainer.store import run_writer
from tui_trainer.store import run_writer as module
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_folder import read_fold, read_summary
from tui_trainer.store.run_writer import RunClock, RunWriter

_SAVED = CheckpointSaved(
    step=2, epoch=0, folder="f", manifest_sha256="0", best=True, size_bytes=1, duration_s=0.1
)


class FakeClock:
    """A monotonic clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return FakeClock(monkeypatch)


def test_the_clock_leaves_out_pauses(clock: FakeClock) -> None:
    run_clock = RunClock(100.0)
    clock.now += 1
    run_clock.unpause()
    clock.now += 5
    run_clock.pause()
    run_clock.pause()
    clock.now += 50
    assert run_clock.elapsed_s == 105.0
    run_clock.unpause()
    run_clock.unpause()
    clock.now += 2
    assert run_clock.elapsed_s == 107.0


def test_events_are_stamped_and_numbered(tmp_path: Path, clock: FakeClock) -> None:
    writer = RunWriter(tmp_path)
    before = time.time()
    writer.emit(builders.session_start())
    clock.now += 3.5
    writer.emit(builders.steps())
    writer.close()
    first, second = EventLogReader(tmp_path / paths.EVENTS).read().events
    assert (first.seq, second.seq) == (1, 2)
    assert before <= first.t <= second.t <= time.time()
    assert (first.elapsed_s, second.elapsed_s) == (0.0, 3.5)


def test_the_clock_goes_on_when_the_next_session_trains(tmp_path: Path, clock: FakeClock) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    clock.now += 10
    writer.emit(builders.steps())
    writer.close()
    clock.now += 1000
    writer = RunWriter(tmp_path)
    clock.now += 1
    writer.emit(builders.resumed(2))
    clock.now += 2
    writer.emit(builders.steps(first=3))
    writer.close()
    events = EventLogReader(tmp_path / paths.EVENTS).read().events
    assert [event.elapsed_s for event in events[-2:]] == [10.0, 12.0]


def test_the_writers_fold_is_the_readers(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    for event in (builders.session_start(), builders.nan_steps(), builders.evaluated(), _SAVED):
        writer.emit(event)
        assert builders.same(writer.fold, read_fold(tmp_path))
    writer.close()
    assert builders.same(read_summary(tmp_path), writer.fold)


def test_a_summary_is_written_at_times_and_at_milestones(tmp_path: Path, clock: FakeClock) -> None:
    long = Message(text="a" * module._SUMMARY_EVERY_BYTES)
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    writer.emit(builders.steps(1))
    assert read_summary(tmp_path).snapshot.seq == 1
    # Soon after the last one, or with little to replay, none is.
    writer.emit(long)
    assert read_summary(tmp_path).snapshot.seq == 1
    clock.now += 1.1
    writer.emit(builders.steps(3))
    assert read_summary(tmp_path).snapshot.seq == 4
    clock.now += 1.1
    writer.emit(builders.steps(5))
    assert read_summary(tmp_path).snapshot.seq == 4
    writer.emit(_SAVED)
    assert read_summary(tmp_path).snapshot.seq == 6
    writer.emit(Message(text="a"))
    assert read_summary(tmp_path).snapshot.seq == 6
    writer.close()
    assert read_summary(tmp_path).snapshot.seq == 7


@pytest.mark.parametrize(
    ("event", "is_synced"),
    [
        (builders.session_start(), True),
        (builders.resumed(1), True),
        (_SAVED, True),
        (Finished(step=1, epoch=1), True),
        (builders.failed(), True),
        (builders.steps(), False),
        (Message(text="a"), False),
    ],
)
def test_milestones_are_durable_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Message, is_synced: bool
) -> None:
    writer = RunWriter(tmp_path)
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    writer.emit(event)
    assert ((tmp_path / paths.EVENTS).stat().st_ino in synced) == is_synced


def test_a_torn_tail_is_mended_before_the_next_session(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    writer.close()
    with (tmp_path / paths.EVENTS).open("ab") as file:
        file.write(b'{"kind":"steps","v":1,')
    writer = RunWriter(tmp_path)
    writer.emit(builders.resumed(0))
    writer.close()
    fold = read_fold(tmp_path)
    assert (fold.snapshot.seq, fold.damaged, fold.missing) == (2, 0, 0)


def test_a_run_of_a_newer_version_is_not_written_to(tmp_path: Path) -> None:
    newer = msgspec.structs.replace(Message(text="a", seq=1, t=1.0), v=2)
    content = encode_line(newer)[:-1]
    (tmp_path / paths.EVENTS).write_bytes(content)
    with pytest.raises(RunStateError, match="newer"):
        RunWriter(tmp_path)
    assert (tmp_path / paths.EVENTS).read_bytes() == content


def test_a_summary_that_cannot_be_written_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_writer, "replace_file", refuse)
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    writer.close()
    assert read_fold(tmp_path).snapshot.seq == 1


def _refuse(number: int) -> Callable[[int, bytes], int]:
    def write(descriptor: int, content: bytes) -> int:
        raise OSError(number, os.strerror(number))

    return write


def test_an_event_that_cannot_be_written_is_not_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _refuse(errno.EIO))
        with pytest.raises(StorageError):
            writer.emit(builders.steps())
    assert writer.fold.snapshot.seq == 1
    assert builders.same(writer.fold, read_fold(tmp_path))


def test_a_session_does_not_begin_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path)
    monkeypatch.setattr(os, "write", _refuse(errno.ENOSPC))
    with pytest.raises(StorageError, match="The disk is full"):
        writer.emit(builders.session_start())


def test_a_session_goes_on_while_the_disk_is_full(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _refuse(errno.ENOSPC))
        writer.emit(builders.steps())
        clock.now += 120
        writer.emit(Message(text="still training"))
        # What readers see is the run as it was, not a summary of what they cannot read yet.
        assert read_fold(tmp_path).snapshot.seq == 1
    writer.emit(Message(text="room"))
    texts = [e.text for e in EventLogReader(tmp_path / paths.EVENTS).read().events[2:]]  # type: ignore[attr-defined]
    assert texts[:2] == ["still training", "room"]
    assert texts[2].startswith("the disk was full for 2:00")
    assert builders.same(writer.fold, read_fold(tmp_path))


def test_a_session_that_ends_does_not_wait_for_a_log_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    monkeypatch.setattr(os, "write", _refuse(errno.ENOSPC))
    writer.emit(builders.steps())
    monkeypatch.setattr(run_writer.time, "sleep", lambda _: (tmp_path / paths.EVENTS).unlink())
    writer.wait_for_room(lambda: True)


@pytest.mark.parametrize("room_comes", [True, False])
def test_a_session_that_ends_waits_for_room_until_it_is_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_comes: bool
) -> None:
    writer = RunWriter(tmp_path)
    writer.emit(builders.session_start())
    patience = [True, True, True, False]
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _refuse(errno.ENOSPC))
        writer.emit(builders.steps())

        def nap(_: float) -> None:
            if room_comes and len(patience) == 2:
                patch.undo()

        patch.setattr(run_writer.time, "sleep", nap)
        writer.wait_for_room(lambda: patience.pop(0))
        if not room_comes:
            with pytest.raises(StorageError, match="the disk is full"):
                writer.close()
            return
    writer.close()
    kinds = [
        type(event).__name__ for event in EventLogReader(tmp_path / paths.EVENTS).read().events
    ]
    assert kinds == ["RunStarted", "Steps", "Message"]
    assert builders.same(writer.fold, read_fold(tmp_path))
