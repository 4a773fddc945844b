"""The state shown is the true one, whatever happens to a run's worker and to its files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tests.builders import OTHER_SESSION, SESSION
from tests.conftest import Hold, MakeRun
from tests.faults import plan
from tui_trainer import paths
from tui_trainer.core.events import Finished
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import LogFold
from tui_trainer.errors import RunStateError, StorageError
from tui_trainer.store import lease, record_reader, run_folder
from tui_trainer.store.lease import RecordLock, acquire_launch, acquire_lease, look
from tui_trainer.store.record_reader import RecordReader
from tui_trainer.store.run_folder import RunFolder, read_run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_the_state_shown_is_the_true_one_through_any_sequence() -> None:
    command = [sys.executable, "-m", "tests.faults.states"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{plan.REPLAY}"


@pytest.mark.parametrize("read", [read_run, lambda folder: RecordReader().read(folder)])
def test_a_run_that_begins_while_it_is_looked_at_is_not_interrupted(
    make_run: MakeRun,
    hold: Hold,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[RunFolder], RunRecord],
) -> None:
    run = make_run(builders.session_start(), Finished(step=1, epoch=1))

    def begin_then_read(path: Path) -> LogFold:
        holder = hold(path / paths.WORKER_LEASE, OTHER_SESSION)
        builders.write_log(run.events, [builders.resumed(1, pid=holder.pid)])
        return read_fold(path)

    read_fold = run_folder.read_fold
    for module in (run_folder, record_reader):
        monkeypatch.setattr(module, "read_fold", begin_then_read)
    record = read(run)
    assert record.state == "running"
    assert record.pid > 0


def test_a_session_that_has_begun_is_shown_though_its_launcher_is_suspended(
    make_run: MakeRun, hold: Hold
) -> None:
    run = make_run(builders.session_start(), Finished(step=1, epoch=1))
    launcher = hold(run.path / paths.LAUNCH_LOCK, OTHER_SESSION)
    record = read_run(run)
    assert (record.state, record.pid) == ("starting", launcher.pid)
    worker = hold(run.path / paths.WORKER_LEASE, OTHER_SESSION)
    assert read_run(run).state == "starting"
    builders.write_log(run.events, [builders.resumed(1)])
    record = read_run(run)
    assert (record.state, record.pid) == ("running", worker.pid)
    worker.kill()
    worker.wait()
    assert read_run(run).state == "interrupted"
    builders.write_log(run.events, [Finished(step=2, epoch=2)])
    assert read_run(run).state == "finished"


def test_what_is_answered_after_a_stop_does_not_hide_it(make_run: MakeRun, hold: Hold) -> None:
    answers = map(builders.control_applied, ["stop", "pause", "continue", "set"])
    run = make_run(builders.session_start(), *answers)
    hold(run.path / paths.WORKER_LEASE, SESSION)
    assert read_run(run).state == "stopping"


@pytest.mark.parametrize("acquire", [acquire_lease, acquire_launch])
def test_a_lock_that_is_freed_while_its_holder_is_asked_for_is_taken(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    acquire: Callable[[Path, str], RecordLock],
) -> None:
    real, refusals = lease.acquire_where_possible, [BlockingIOError(errno.EAGAIN, "held")]

    def refuse_once(path: Path, note: str = "", *, force: bool) -> RecordLock | None:
        if refusals:
            raise refusals.pop()
        return real(path, note, force=force)

    monkeypatch.setattr(lease, "acquire_where_possible", refuse_once)
    acquire(tmp_path, SESSION).release()
    assert refusals == []


def test_who_starts_a_run_is_named_and_a_worker_that_came_first_too(
    tmp_path: Path, hold: Hold
) -> None:
    launcher = hold(tmp_path / paths.LAUNCH_LOCK, OTHER_SESSION)
    with pytest.raises(RunStateError, match=f"being started by .*process {launcher.pid}\\."):
        acquire_launch(tmp_path, SESSION)
    launcher.kill()
    launcher.wait()
    worker = hold(tmp_path / paths.WORKER_LEASE, OTHER_SESSION)
    with pytest.raises(RunStateError, match=f"trained by process {worker.pid}\\."):
        acquire_launch(tmp_path, SESSION)
    assert not look(tmp_path).launching


def test_a_worker_that_takes_the_lease_as_another_starts_keeps_it(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lease.acquire_where_possible

    def come_first(path: Path, note: str = "", *, force: bool) -> RecordLock | None:
        hold(tmp_path / paths.WORKER_LEASE, OTHER_SESSION)
        return real(path, note, force=force)

    monkeypatch.setattr(lease, "acquire_where_possible", come_first)
    with pytest.raises(RunStateError, match="trained by process"):
        acquire_launch(tmp_path, SESSION)
    assert not look(tmp_path).launching


def test_a_lock_whose_note_cannot_be_written_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(StorageError, match=r"worker\.lease cannot be written: No space left"):
            acquire_lease(tmp_path, SESSION)
    assert builders.fork(lambda: acquire_lease(tmp_path, OTHER_SESSION)) == 0
