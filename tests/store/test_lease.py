"""The locks that tell whether a run's processes live."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tests.builders import OTHER_SESSION, SESSION
from tests.conftest import Hold
from tui_trainer import paths
from tui_trainer.core.run_state import LeaseView
from tui_trainer.errors import RunStateError
from tui_trainer.store.lease import RecordLock, acquire_lease, acquire_tree, holder_of, look

_FREE = LeaseView(held=False)


def _look_elsewhere(run: Path) -> bool:
    """Whether another process finds the lease held."""
    return builders.fork(lambda: os._exit(7 if look(run).held else 8)) == 7


def test_a_run_without_locks_is_free(tmp_path: Path) -> None:
    assert look(tmp_path) == _FREE


def test_another_process_sees_the_holder_and_its_session(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / paths.WORKER_LEASE, SESSION)
    assert look(tmp_path) == LeaseView(held=True, session=SESSION, pid=holder.pid)


def test_a_killed_holder_frees_the_lease_at_once(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / paths.WORKER_LEASE, SESSION)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not look(tmp_path).held
    acquire_lease(tmp_path, OTHER_SESSION).release()


def test_a_second_worker_is_refused_with_the_pid_of_the_first(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / paths.WORKER_LEASE, SESSION)
    with pytest.raises(RunStateError, match=f"process {holder.pid}"):
        acquire_lease(tmp_path, OTHER_SESSION)
    assert look(tmp_path) == LeaseView(held=True, session=SESSION, pid=holder.pid)


def test_looking_does_not_disturb_the_holder(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / paths.WORKER_LEASE, SESSION)
    for _ in range(20):
        assert look(tmp_path).pid == holder.pid
    with pytest.raises(RunStateError):
        acquire_lease(tmp_path, OTHER_SESSION)


def test_looking_never_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire_lease(tmp_path, SESSION).release()

    def refuse(*_: object) -> None:
        raise AssertionError("a look must not lock")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert not look(tmp_path).held


def test_the_holder_itself_sees_its_lease(tmp_path: Path) -> None:
    held = acquire_lease(tmp_path, SESSION)
    assert look(tmp_path) == LeaseView(held=True, session=SESSION, pid=os.getpid())
    held.release()
    assert not look(tmp_path).held


def test_a_look_by_the_holder_does_not_drop_its_lease(tmp_path: Path) -> None:
    run = tmp_path / "run1"
    run.mkdir()
    (tmp_path / "link").symlink_to(run)
    held = acquire_lease(run, SESSION)
    assert _look_elsewhere(run)
    for spelling in (run, tmp_path / "link", tmp_path / "run1" / ".." / "run1"):
        assert look(spelling).pid == os.getpid()
        with pytest.raises(RunStateError):
            acquire_lease(spelling, OTHER_SESSION)
    assert _look_elsewhere(run)
    held.release()
    held.release()
    assert not _look_elsewhere(run)


def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    held = acquire_lease(tmp_path, SESSION)
    parent = os.getpid()
    assert builders.fork(lambda: os._exit(look(tmp_path).pid == parent)) == 1
    assert _look_elsewhere(tmp_path)
    held.release()


def test_a_launch_is_seen(tmp_path: Path, hold: Hold) -> None:
    launcher = hold(tmp_path / paths.LAUNCH_LOCK, SESSION)
    assert look(tmp_path) == LeaseView(
        held=False, launching=True, launched=SESSION, pid=launcher.pid
    )


def test_the_note_of_an_earlier_session_is_replaced(tmp_path: Path) -> None:
    acquire_lease(tmp_path, "x" * 60).release()
    held = acquire_lease(tmp_path, SESSION)
    assert (tmp_path / paths.WORKER_LEASE).read_text() == SESSION
    held.release()


_RACER = """
import sys, time
from pathlib import Path
from tui_trainer.errors import RunStateError
from tui_trainer.store.lease import acquire_lease
print("ready", flush=True)
sys.stdin.readline()
try:
    lock = acquire_lease(Path(sys.argv[1]), sys.argv[2])
    print("won", flush=True)
except RunStateError:
    print("lost", flush=True)
sys.stdin.read()
"""


def test_of_racing_workers_exactly_one_wins(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(tmp_path), f"session-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    try:
        assert [racer.stdout and racer.stdout.readline() for racer in racers] == ["ready\n"] * 3
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        results = [racer.stdout and racer.stdout.readline() for racer in racers]
        assert sorted(map(str, results)) == ["lost\n", "lost\n", "won\n"]
        winner = racers[results.index("won\n")]
        assert look(tmp_path).pid == winner.pid
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_locks_do_not_work_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    acquire_lease(tmp_path, SESSION).release()

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert look(tmp_path).held is None


def test_a_child_keeps_the_tree_after_its_parent_is_killed(tmp_path: Path) -> None:
    alive, to_child = os.pipe()
    report, from_child = os.pipe()

    def parent() -> None:
        acquire_tree(tmp_path)
        held = acquire_lease(tmp_path, SESSION)
        if os.fork() == 0:
            os.close(to_child)
            os.write(from_child, b"child")
            os.read(alive, 1)
            os._exit(0)
        os.read(report, 5)
        assert held
        os.kill(os.getpid(), signal.SIGKILL)

    assert builders.fork(parent) == -signal.SIGKILL
    try:
        assert not look(tmp_path).held
        with pytest.raises(RunStateError, match="still alive"):
            acquire_tree(tmp_path, wait_s=0.1)
    finally:
        os.close(to_child)
    descriptor = acquire_tree(tmp_path, wait_s=30)
    for each in (descriptor, alive, report, from_child):
        os.close(each)


def test_locks_are_private_files(tmp_path: Path) -> None:
    RecordLock(tmp_path / paths.WORKER_LEASE).release()
    os.close(acquire_tree(tmp_path))
    for name in (paths.WORKER_LEASE, paths.TREE_LOCK):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_lock_is_not_inherited_by_programs_that_are_started(tmp_path: Path) -> None:
    descriptor = acquire_tree(tmp_path)
    held = acquire_lease(tmp_path, SESSION)
    for each in (descriptor, held._descriptor):
        assert not os.get_inheritable(each)
    held.release()
    os.close(descriptor)
    assert holder_of(tmp_path / paths.WORKER_LEASE)[0] is False
