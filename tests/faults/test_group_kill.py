"""Runs whose data come from processes of their own, under every signal: nothing stays behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.command import Home, wait_until
from tests.faults.pooled_runs import EVERYTHING, STEPS_PER_EPOCH, PooledRun
from tests.faults.worker_pool import PooledWorker, WorkerPool, send_kill
from tests.journeys.test_live_runs import LONG, trains_on
from tests.train.runs import live_steps, read_log
from tui_trainer.core import events

pytestmark = pytest.mark.slow

# While it is judged it stays so for as long as the file `hold` is there, and says so. It answers
# the same every time: only the first of its validations is the best so far, and saved.
_HELD_NET = """
import time
from pathlib import Path
from tests.faults import net

class Net(net.Net):
    def forward(self, x):
        while not self.training and Path({hold!r}).exists():
            Path({held!r}).touch()
            time.sleep(0.01)
        return super().forward(x) * self.training
"""

_END_S = 10.0

Kind = TypeVar("Kind", bound=events.Event)


class LiveRun:
    """A run that trains until it is ended, its data loaded by two processes."""

    def __init__(self, pool: WorkerPool, data_dir: Path, folder: Path) -> None:
        self._hold, self._held = folder / "hold", folder / "held"
        source = folder / "held_net.py"
        source.write_text(_HELD_NET.format(held=str(self._held), hold=str(self._hold)))
        settings = EVERYTHING | {
            "model__name": f"{source}:Net",
            "training__epochs": 100_000,
            "data__placement": "stream",
            "data__workers": 2,
        }
        self.run = PooledRun.of(pool, data_dir, folder / "runs", settings)
        self.worker: PooledWorker = self.run.start()
        wait_until(lambda: self.steps, "steps")
        assert len(self.loaders) >= 2

    @property
    def steps(self) -> int:
        """The newest step in the log."""
        return max(live_steps(self.run.folder), default=0)

    @property
    def loaders(self) -> list[int]:
        """The processes that load data."""
        return [pid for pid in self.worker.processes if pid != self.worker.pid]

    def hold_in_judgement(self) -> None:
        """Let it train to the next evaluation and stay there until `let_go`."""
        self._hold.touch()
        wait_until(self._held.exists, "an evaluation")

    def let_go(self) -> None:
        """Let the evaluation go on."""
        self._hold.unlink(missing_ok=True)

    def assert_gone(self) -> None:
        """No process of the session is left in time."""
        wait_until(lambda: not self.worker.processes, "the session's end", timeout_s=_END_S)

    def assert_goes_on(self) -> None:
        """The run is taken up again at its newest checkpoint."""
        saved = self.run.saved
        self.worker = self.run.start()
        (resumed,) = wait_until(lambda: self.events_of(events.Resumed), "the resumed session")
        assert resumed.from_step == saved
        wait_until(lambda: self.steps > saved, "steps of the resumed session")

    def events_of(self, kind: type[Kind]) -> list[Kind]:
        """The events of a kind so far."""
        return [event for event in read_log(self.run.folder) if isinstance(event, kind)]


@pytest.fixture
def live(pool: WorkerPool, stripes_data: Path, tmp_path: Path) -> Iterator[LiveRun]:
    live = LiveRun(pool, stripes_data, tmp_path)
    yield live
    live.worker.end()


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_killed_group_leaves_nothing(live: LiveRun, is_stuck: bool) -> None:
    if is_stuck:
        os.kill(live.loaders[0], signal.SIGSTOP)
    send_kill(live.worker.pid, with_group=True)
    assert live.worker.wait() == -signal.SIGKILL
    live.assert_gone()
    assert live.run.state == "interrupted"
    live.assert_goes_on()


@pytest.mark.parametrize("is_judging", [False, True])
def test_loaders_end_by_themselves_once_their_trainer_is_killed(
    live: LiveRun, is_judging: bool
) -> None:
    if is_judging:
        live.hold_in_judgement()
        # Those of the validation too.
        assert len(live.loaders) >= 4
    send_kill(live.worker.pid, with_group=False)
    assert live.worker.wait() == -signal.SIGKILL
    assert live.run.state == "interrupted"
    live.assert_gone()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("is_judging", [False, True])
def test_a_signal_to_the_whole_group_stops_with_a_checkpoint(
    live: LiveRun, number: signal.Signals, status: int, is_judging: bool
) -> None:
    if is_judging:
        live.hold_in_judgement()
    os.killpg(live.worker.pid, number)
    live.let_go()
    assert live.worker.wait() == status
    live.assert_gone()
    (stopped,) = live.events_of(events.Stopped)
    assert (stopped.step, stopped.by) == (live.run.saved, number.name)
    assert live.steps == live.run.saved
    assert live.run.state == "stopped"
    if is_judging:
        assert live.run.saved % STEPS_PER_EPOCH == 0
        assert live.events_of(events.Evaluated)[-1].step == live.run.saved


@pytest.mark.parametrize("is_judging", [False, True])
def test_a_checkpoint_asked_for_by_a_signal_is_saved_and_training_goes_on(
    live: LiveRun, is_judging: bool
) -> None:
    best = wait_until(lambda: live.run.saved, "the checkpoint of the first validation")
    if is_judging:
        live.hold_in_judgement()
    os.killpg(live.worker.pid, signal.SIGUSR1)
    live.let_go()
    wait_until(lambda: live.run.saved > best, "the checkpoint asked for")
    saved = live.run.saved
    wait_until(lambda: live.steps > saved, "further steps")
    assert live.run.saved == saved
    assert live.run.state == "running"
    assert not live.events_of(events.Stopped)


def test_a_second_signal_ends_at_once_and_the_last_checkpoint_stays(live: LiveRun) -> None:
    wait_until(lambda: live.run.saved, "a checkpoint")
    live.hold_in_judgement()
    os.kill(live.worker.pid, signal.SIGINT)
    os.kill(live.worker.pid, signal.SIGTERM)
    # Each may be given to another thread: they come in either order.
    assert live.worker.wait() in {130, 143}
    live.assert_gone()
    assert live.run.state == "interrupted"
    assert not live.events_of(events.Stopped)
    live.let_go()
    live.assert_goes_on()


def test_a_run_outlives_the_sudden_end_of_its_dashboards(home: Home) -> None:
    shown = ("running", r"loss +train ~?\d\.\d+")
    train = home.open(*LONG, "--dashboard")
    train.wait_for(*shown)
    train.process.kill(signal.SIGKILL)
    assert train.finish() == -signal.SIGKILL
    assert trains_on(home)
    dashboard = home.open("dashboard", "1")
    dashboard.wait_for(*shown)
    dashboard.hang_up()
    assert trains_on(home)
