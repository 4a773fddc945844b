"""A wall clock that jumps makes no list wrong, no log unreadable and no order another."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import msgspec
import pytest

from tests import builders
from tests.faults import plan
from tui_trainer import paths
from tui_trainer.core.events import Finished, Message
from tui_trainer.core.run_record import Annotations
from tui_trainer.core.sealed_json import encode_sealed, seal
from tui_trainer.store.control import Inbox, submit
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.lease import acquire_lease
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.store.run_writer import RunWriter


class JumpingClock:
    """A wall clock that jumps to and fro by up to years."""

    def __init__(self, noise: random.Random) -> None:
        self._noise = noise

    def time(self) -> float:
        """Seconds, of no use."""
        return self._noise.choice([0.0, 1e9, 1e10]) + self._noise.uniform(0, 1e6)

    def time_ns(self) -> int:
        """Nanoseconds, of no use."""
        return int(self.time() * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> JumpingClock:
    clock = JumpingClock(plan.choices_of("clock"))
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "time_ns", clock.time_ns)
    return clock


def _set_times(run: RunFolder, clock: JumpingClock) -> None:
    """Give the run's files times of that clock; it may stand still."""
    mark = clock.time_ns() // 10**15 * 10**15
    for file in run.path.iterdir():
        os.utime(file, ns=(mark, mark))


def test_a_jumping_clock_makes_no_log_unreadable_and_no_list_wrong(
    tmp_path: Path, clock: JumpingClock
) -> None:
    registry = Registry(tmp_path / "runs")
    runs = [registry.create(builders.environment(), b"") for _ in range(3)]
    for session in range(4):
        for run in runs:
            lease = acquire_lease(run.path, builders.SESSION)
            assert lease is not None
            writer = RunWriter(run.path)
            start = builders.resumed(0, session=builders.SESSION) if session else None
            writer.emit(start or builders.session_start())
            for step in range(1, 20):
                writer.emit(builders.steps(step, 1))
            assert read_run(run).state == "running"
            writer.emit(builders.failed() if session % 2 else Finished(step=20, epoch=1))
            writer.close()
            lease.release()
            _set_times(run, clock)
            state = "failed" if session % 2 else "finished"
            for _ in range(2):
                records = registry.records()
                assert list(map(encode_sealed, records)) == [
                    encode_sealed(read_run(run)) for run in runs
                ]
                assert records[runs.index(run)].state == state
    for run in runs:
        batch = EventLogReader(run.events).read()
        assert (batch.damaged, batch.missing, len(batch.events)) == (0, 0, 4 * 21)
        elapsed_s = [event.elapsed_s for event in batch.events]
        assert elapsed_s == sorted(elapsed_s)


def test_files_of_the_same_time_are_told_apart(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "runs")
    run = registry.create(builders.environment(), b"", "one")
    builders.write_log(run.events, [builders.session_start()])
    restored = tmp_path / "restored"
    builders.write_log(restored, [builders.session_start(epochs=4)])
    assert restored.stat().st_size == run.events.stat().st_size

    def add_event() -> None:
        builders.write_log(run.events, [Message(text="more")])

    def rename() -> None:
        changed = seal(msgspec.json.encode(Annotations(name="two")))
        (run.path / "new").write_bytes(changed)
        (run.path / "new").rename(run.path / paths.ANNOTATIONS)

    def restore() -> None:
        shutil.copy(restored, run.path / "new")
        (run.path / "new").rename(run.events)

    for change in (lambda: None, restore, add_event, rename):
        change()
        for file in run.path.iterdir():
            os.utime(file, ns=(10**18, 10**18))
        assert [encode_sealed(record) for record in registry.records()] == [
            encode_sealed(read_run(run))
        ]
    assert registry.records()[0].annotations.name == "two"
    assert registry.records()[0].snapshot.epochs == 4


def test_requests_keep_their_order_while_the_clock_jumps(
    tmp_path: Path, clock: JumpingClock
) -> None:
    inbox = Inbox(tmp_path)
    asked = [submit(tmp_path, builders.SESSION, "pause" if n % 2 else "continue") for n in range(9)]
    assert inbox.take() == asked
