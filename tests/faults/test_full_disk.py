"""Disks that are full or refuse to write, for a while: training outlives it and loses nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Home, wait_until
from tests.faults import net, plan
from tests.faults.failing_disk import FailingDisk
from tests.faults.pooled_runs import (
    OFTEN,
    SAVED_EVERY,
    STEPS,
    PooledRun,
    assert_same_to_the_bit,
    replay_told,
)
from tests.faults.volume import Volume
from tests.faults.worker_pool import WorkerPool
from tests.train.runs import messages, read_log
from tui_trainer import paths
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.job_folder import read_result
from tui_trainer.store.lease import look
from tui_trainer.store.run_folder import RunFolder, read_run

pytestmark = pytest.mark.slow

_PAGE_BYTES = 4096
# Room for lines of the log, but not for a checkpoint.
_TIGHT_BYTES = 16 * _PAGE_BYTES

# It counts its steps, and takes its time over them for as long as the file `slow` is there.
_PACED_NET = """
import os
import time

class Paced(Net):
    def forward(self, x_BCHW):
        if self.training:
            with open({counted!r}, "ab") as file:
                file.write(b".")
            if os.path.exists({slow!r}):
                time.sleep(0.05)
        return super().forward(x_BCHW)
"""


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    """A file system of 4 MiB."""
    volume = Volume(tmp_path / "volume", 4 << 20)
    yield volume
    volume.unmount()


class CrampedHome(Home):
    """A working folder whose runs are on a small volume, and a model that can be slowed down."""

    def __init__(self, volume: Volume, data: Path, folder: Path) -> None:
        folder.mkdir()
        variables = {
            "TUITRAIN__HARDWARE__THREADS": "1",
            "TUITRAIN_STATE": str(folder / "state"),
        }
        super().__init__(folder, data, volume.folder / "runs", variables)
        self._slow, self._counted = folder / "slow", folder / "counted"
        paced = _PACED_NET.format(counted=str(self._counted), slow=str(self._slow))
        model = Path(net.__file__).read_text() + paced
        (folder / "paced.py").write_text(model)
        self.volume = volume

    def begin(self, *options: str) -> None:
        """A slow run of 243 steps."""
        self._slow.touch()
        train = "train digits --model paced.py:Paced --epochs 3 --batch-size 16 --detach"
        self.do(*train.split(), "--checkpoints-every-steps", "10", *options)

    def hurry(self) -> None:
        """Let the run train as fast as it can."""
        self._slow.unlink()

    @property
    def num_trained(self) -> int:
        """Steps trained, whether the log could be told of them or not."""
        return self._counted.stat().st_size

    @property
    def newest(self) -> int:
        """The step of the newest checkpoint on the disk."""
        return max(list_steps(self.run() / paths.CHECKPOINTS), default=0)

    def fill_until_stale(self) -> events.CheckpointFailed:
        """Leave so little room that checkpoints fail; what the log says of the first."""

        def failed() -> list[events.Event]:
            # Room that an old checkpoint or a failed attempt gave back is taken too.
            self.volume.fill(_TIGHT_BYTES)
            log = read_log(RunFolder(self.run()))
            return [event for event in log if isinstance(event, events.CheckpointFailed)]

        return wait_until(failed, "a checkpoint that fails")[0]

    def fill_until_silent(self) -> None:
        """Leave no room at all: training goes on, and the log has heard nothing of it."""

        def is_silent() -> bool:
            size, num_trained = self._log_bytes, self.num_trained
            wait_until(lambda: self._trains_past(num_trained + 15), "further steps")
            return self._log_bytes == size

        wait_until(is_silent, "a log that does not grow")

    def _trains_past(self, step: int) -> bool:
        self.volume.fill()
        return self.num_trained > step

    @property
    def _log_bytes(self) -> int:
        return (self.run() / paths.EVENTS).stat().st_size


@pytest.fixture
def cramped(volume: Volume, digits_data: Path, tmp_path: Path) -> Iterator[CrampedHome]:
    home = CrampedHome(volume, digits_data, tmp_path / "cramped")
    yield home
    home.end_workers()


def test_a_run_is_not_begun_where_there_is_no_room_for_it(cramped: CrampedHome) -> None:
    # With some room the run's folder is made, with more its worker started.
    for num_pages in range(6 if plan.IS_LONG else 4):
        cramped.volume.make_room()
        cramped.volume.fill(num_pages * _PAGE_BYTES)
        refused = cramped.call("train", "digits", "--epochs", "1")
        assert refused.returncode in (1, 2)
        assert "No space left on device." in refused.stderr or "is full." in refused.stderr
        assert "ree some space" in refused.stderr
        assert "fault of its own" not in refused.stderr
        listed = cramped.json("runs", "list")
        assert {run["state"] for run in listed} <= {"failed"}


def test_a_disk_that_is_full_for_a_while_costs_a_run_nothing(
    cramped: CrampedHome, pool: WorkerPool, tmp_path: Path
) -> None:
    cramped.begin()
    cramped.wait_for_event("checkpoint_saved", count=2)

    failed = cramped.fill_until_stale()
    assert "No space left on device" in failed.reason
    assert 0 < failed.newest_step == cramped.newest < failed.step
    shown = cramped.do("runs", "show", "1")
    assert re.search("state +running", shown)
    assert re.search(f"checkpoint +step {failed.newest_step}, stale", shown)

    cramped.fill_until_silent()
    assert [run["state"] for run in cramped.json("runs", "list")] == ["running"]
    refused = cramped.call("runs", "stop", "1", "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "storage"
    assert cramped.newest == failed.newest_step
    newest = cramped.run() / paths.CHECKPOINTS / folder_name(cramped.newest)
    assert read_checkpoint(newest).state.step == cramped.newest

    cramped.volume.make_room()
    cramped.hurry()
    run = RunFolder(cramped.run())
    wait_until(lambda: read_run(run).state == "finished", "the end of the run")
    assert read_run(run).snapshot.checkpoint_is_stale is False
    assert any(text.startswith("the disk was full for") for text in messages(run))
    assert "checkpoints are saved again" in messages(run)
    assert_whole_log(run)
    undisturbed = PooledRun(pool, cramped.data, tmp_path / "undisturbed", read_config(run.path))
    assert undisturbed.start().wait() == 0
    assert_same_to_the_bit(run, undisturbed.folder)


@pytest.mark.parametrize("relief", ["room", "signal"] if plan.IS_LONG else ["room"])
def test_a_run_that_ends_on_a_full_disk_waits_for_room(cramped: CrampedHome, relief: str) -> None:
    cramped.begin()
    cramped.wait_for_event("checkpoint_saved", count=2)
    failed = cramped.fill_until_stale()
    cramped.fill_until_silent()
    cramped.hurry()
    # The trial before the run counts as one too.
    wait_until(lambda: cramped.num_trained == 1 + 243, "the last step")
    run = RunFolder(cramped.run())
    (started,) = (event for event in read_log(run) if isinstance(event, events.RunStarted))
    if relief == "signal":
        # The first may come before the last step is over: then it asks for a stop, which waits too.
        wait_until(lambda: _is_over_after_signal(run, started.pid), "the end of the worker")
        cramped.volume.make_room()
        assert read_run(run).state in ("failed", "interrupted")
        assert cramped.newest == failed.newest_step
        cramped.do("resume", "1", "--trust-code")
    else:
        assert read_run(run).state == "running"
        cramped.volume.make_room()
    wait_until(lambda: read_run(run).state == "finished", "the end of the run")
    assert cramped.newest == 243
    assert_whole_log(run)


def _is_over_after_signal(run: RunFolder, pid: int) -> bool:
    if look(run.path).held:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)
    return not look(run.path).held


def assert_whole_log(run: RunFolder) -> None:
    """No line of the log is damaged, and no number is missing."""
    read = EventLogReader(run.events).read()
    assert (read.damaged, read.missing) == (0, 0)
    assert [event.seq for event in read.events] == list(range(1, len(read.events) + 1))


def failing_disk(place: str, code: int) -> FailingDisk:
    """One that fails three times, each long enough for a checkpoint to become due and fail."""
    choices = plan.choices_of(f"{place} {code}")
    longest = 4 * SAVED_EVERY
    firsts = [choices.randrange(1, STEPS - longest - SAVED_EVERY) for _ in range(3)]
    spans = [[first, first + choices.randint(2 * SAVED_EVERY + 1, longest)] for first in firsts]
    return FailingDisk(place, code, spans)


_REFUSALS = [
    ("", errno.ENOSPC),
    (paths.CHECKPOINTS, errno.EIO),
    (paths.SUMMARY, errno.EIO),
    (paths.TENSORBOARD, errno.EIO),
]
_MORE_REFUSALS = [
    ("", errno.EDQUOT),
    (paths.CHECKPOINTS, errno.ENOSPC),
    (paths.EVENTS, errno.ENOSPC),
]


@pytest.mark.parametrize(("place", "code"), _REFUSALS + (_MORE_REFUSALS if plan.IS_LONG else []))
def test_a_disk_that_refuses_for_a_while_costs_a_run_nothing(
    pool: WorkerPool,
    stripes_data: Path,
    tmp_path: Path,
    undisturbed: Callable[[str], RunFolder],
    place: str,
    code: int,
) -> None:
    disk = failing_disk(place, code)
    with replay_told(str(disk)):
        run = PooledRun.of(pool, stripes_data, tmp_path, OFTEN)
        assert run.start(disk).wait() == 0
        assert run.state == "finished"
        assert_whole_log(run.folder)
        assert_same_to_the_bit(run.folder, undisturbed("resident"))
        assert_trouble_is_told(run.folder, place)


def assert_trouble_is_told(run: RunFolder, place: str) -> None:
    """The log says what could not be written, once it can, and nothing else."""
    starts = {
        paths.EVENTS: "the disk was full for",
        paths.CHECKPOINTS: "checkpoints are saved again",
        paths.TENSORBOARD: "TensorBoard's points cannot be written",
    }
    for name, start in starts.items():
        assert any(text.startswith(start) for text in messages(run)) == (place in ("", name))
    if place in ("", paths.CHECKPOINTS):
        assert_failures_are_told(run)


def assert_failures_are_told(run: RunFolder) -> None:
    """The log says of each failure which checkpoint is the newest then."""
    newest, num_failures = 0, 0
    for event in read_log(run):
        if isinstance(event, events.CheckpointSaved):
            newest = event.step
        if isinstance(event, events.CheckpointFailed):
            assert event.newest_step == newest < event.step
            num_failures += 1
    assert num_failures > 0


def test_a_log_that_a_failing_disk_refuses_ends_the_session_and_loses_no_work(
    pool: WorkerPool,
    stripes_data: Path,
    tmp_path: Path,
    undisturbed: Callable[[str], RunFolder],
) -> None:
    disk = failing_disk(paths.EVENTS, errno.EIO)
    with replay_told(str(disk)):
        run = PooledRun.of(pool, stripes_data, tmp_path, OFTEN)
        assert run.start(disk).wait() == 1
        result = read_result(run.folder.path / paths.JOB_FOLDER)
        assert result is not None
        assert result.error is not None
        assert result.error.code == "storage"
        assert "Input/output error" in result.error.message
        assert run.state in ("failed", "interrupted")
        assert run.start().wait() == 0
        assert_whole_log(run.folder)
        assert_same_to_the_bit(run.folder, undisturbed("resident"))
