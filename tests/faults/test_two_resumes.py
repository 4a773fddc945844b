"""Resuming a run that someone else resumes, whose processes still live, or that is read-only."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import TUITRAIN, Home, kill_group, wait_until
from tests.faults import plan
from tests.faults.stage import elsewhere
from tui_trainer import paths
from tui_trainer.store.lease import acquire_tree, look
from tui_trainer.store.run_folder import RunFolder, read_run

pytestmark = pytest.mark.slow

Call = Callable[..., "subprocess.CompletedProcess[str]"]

_ROUNDS = max(2, plan.KILLS // 10)


@pytest.fixture
def interrupted(trained: Home) -> Home:
    """A home with run1, killed between its last checkpoint and its last event."""
    log = trained.run() / paths.EVENTS
    lines = log.read_bytes().splitlines(keepends=True)
    assert b'"kind":"finished"' in lines[-1]
    log.write_bytes(b"".join(lines[:-1]))
    assert _state(trained) == "interrupted"
    return trained


def _state(home: Home) -> str:
    return read_run(RunFolder(home.run())).state.value


def _our_workers(home: Home) -> set[int]:
    return {worker.pid for worker in home.workers}


def test_of_two_resumes_at_once_one_trains_and_the_other_names_it(interrupted: Home) -> None:
    home = interrupted
    more = ["--epochs", "100000"]
    for round_ in range(_ROUNDS):
        both = [home.start("resume", "1", "--detach", *more) for _ in range(2)]
        outputs = [process.communicate() for process in both]
        assert sorted(process.returncode for process in both) == [0, 2], outputs
        (winner,) = (process for process in both if process.returncode == 0)
        starts = home.events("resumed")
        assert len(starts) == round_ + 1
        for process, (stdout, stderr) in zip(both, outputs, strict=True):
            if process is winner:
                assert stdout == "run1\n"
                continue
            assert stdout == ""
            named = re.search(r"error: run1 is [^\n]*process (\d+)[^\n]*\.\n[^\n]+\.\n\Z", stderr)
            assert named is not None, stderr
            assert int(named[1]) in (winner.pid, starts[-1]["pid"]), stderr
        assert _state(home) == "running"
        assert _our_workers(home) == {starts[-1]["pid"]}
        assert home.events("failed") == []
        kill_group(starts[-1]["pid"])
        wait_until(lambda: _state(home) == "interrupted", "the worker to be gone")
        more = []


def test_a_resume_waits_for_what_a_killed_trainer_left_and_then_goes_on(interrupted: Home) -> None:
    home = interrupted
    with elsewhere(lambda: acquire_tree(home.run())):
        resume = home.start("resume", "1", "--detach", "--epochs", "100000")
        wait_until(lambda: look(home.run()).held, "the worker to hold the lease")
        assert _state(home) == "starting"
        assert home.events("resumed") == []
        assert resume.poll() is None
    stdout, stderr = resume.communicate()
    assert (resume.returncode, stdout) == (0, "run1\n"), stderr
    assert len(home.events("resumed")) == 1
    assert _state(home) == "running"


@pytest.fixture
def call(trained: Home, ordinary: Callable[[], None]) -> Iterator[Call]:
    """The command, bound by permissions; afterwards everything can be removed again."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TUITRAIN, *arguments],
            cwd=trained.folder,
            env=trained.environment,
            capture_output=True,
            text=True,
            preexec_fn=ordinary,
        )

    yield run
    trained.runs.chmod(0o700)
    trained.run().chmod(0o700)
    for part in trained.run().iterdir():
        part.chmod(0o700)


def _assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It says in one sentence what is wrong, and in one what to do."""
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert re.fullmatch(r"error: [^\n]+\.\n[A-Z][^\n]+\.\n", done.stderr), done.stderr
    for word in ("Errno", "Error", "fault"):
        assert word not in done.stderr
    for word in words:
        assert word in done.stderr


def _read_only(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode & 0o555)


def test_a_read_only_run_is_shown_and_not_resumed(trained: Home, call: Call) -> None:
    before = {f: f.read_bytes() for f in trained.run().rglob("*") if f.is_file()}
    _read_only(trained.run())
    listed = call("runs", "list")
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"run1 +baseline +finished", listed.stdout)
    assert "finished" in call("runs", "show", "1").stdout
    resumed = call("resume", "1", "--epochs", "3")
    _assert_refused(resumed, "run1 ", f"{paths.LAUNCH_LOCK} cannot be written: Permission denied")
    assert {f: f.read_bytes() for f in trained.run().rglob("*") if f.is_file()} == before


def test_a_read_only_registry_is_shown_and_takes_no_run(trained: Home, call: Call) -> None:
    (trained.runs / paths.INDEX).unlink(missing_ok=True)
    trained.runs.chmod(0o555)
    listed = call("runs", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.search(r"run1 +baseline +finished", listed.stdout)
    assert "finished" in call("runs", "show", "1").stdout
    _assert_refused(call("train", "digits"), str(trained.runs), "Permission denied", "--runs")
    assert not (trained.runs / "run2").exists()


def test_an_unreadable_run_is_named_and_not_resumed(trained: Home, call: Call) -> None:
    trained.run().chmod(0o000)
    listed = call("runs", "list")
    assert listed.returncode == 0
    assert re.search(r"run1 +– +unknown", listed.stdout)
    assert re.search(r"^run1 cannot be read: .*Permission denied", listed.stderr, re.MULTILINE)
    for command in (("runs", "show", "1"), ("resume", "1")):
        _assert_refused(call(*command), "run1 cannot be read: ", "Permission denied")


def test_an_unreadable_registry_is_an_error(trained: Home, call: Call) -> None:
    trained.runs.chmod(0o000)
    for command in (("runs", "list"), ("runs", "show", "1"), ("resume", "1"), ("train", "digits")):
        _assert_refused(call(*command), str(trained.runs), "Permission denied")


def test_of_a_registry_that_may_not_be_entered_the_names_are_shown(
    trained: Home, call: Call
) -> None:
    trained.runs.chmod(0o444)
    listed = call("runs", "list")
    assert listed.returncode == 0
    assert re.search(r"run1 +– +unknown", listed.stdout)
    assert re.search(r"^run1 cannot be read: .*Permission denied", listed.stderr, re.MULTILINE)
    _assert_refused(call("resume", "1"), str(trained.runs), "Permission denied")


@pytest.mark.parametrize("name", [paths.TREE_LOCK, paths.JOB_FOLDER])
def test_a_part_of_a_run_that_may_not_be_written_is_named(
    trained: Home, call: Call, name: str
) -> None:
    part = trained.run() / name
    part.chmod(0o500 if part.is_dir() else 0o400)
    _assert_refused(call("resume", "1", "--epochs", "3"), "run1 ", str(part), "Permission denied")
    assert _state(trained) == "finished"
