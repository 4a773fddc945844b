"""Workers that end before they have begun."""

from __future__ import annotations

from subprocess import CompletedProcess

from tests.cli.checks import check_json_error
from tests.command import Home, kill_group, wait_until, workers


def test_worker_killed_at_start_up_is_told_and_leaves_no_good_run(home: Home) -> None:
    train = home.start("train", "digits")
    (worker, *_) = wait_until(lambda: workers(train.pid), "the worker")
    kill_group(worker.pid)
    stdout, stderr = train.communicate()
    assert train.returncode == 1
    assert stdout == ""
    assert "Traceback" not in stderr
    problem, advice = stderr.splitlines()
    assert problem.startswith("error: run1: The worker process ended without a result")
    assert "SIGKILL" in problem
    assert advice == "See what it printed with: tuitrain runs logs run1."
    assert home.state() == "failed"
    assert home.events("run_started") == []
    assert not (home.run() / "checkpoints").exists()

    # It can be begun anew from there, and detached too the kill is told.
    resume = home.start("resume", "1", "--detach", "--json")
    (worker, *_) = wait_until(lambda: workers(resume.pid), "the worker")
    kill_group(worker.pid)
    stdout, stderr = resume.communicate()
    done = CompletedProcess("resume", resume.returncode, stdout, stderr)
    check_json_error(done, status=1, code="worker", message="ended without a result")
    assert home.state() == "failed"


def test_preparation_killed_on_the_way_leaves_no_dataset(home: Home) -> None:
    home.data = home.folder / "data"
    get = home.start("data", "get", "digits")
    (worker, *_) = wait_until(lambda: workers(get.pid), "the worker")
    kill_group(worker.pid)
    stdout, stderr = get.communicate()
    assert (get.returncode, stdout) == (1, "")
    assert "The worker process ended without a result" in stderr
    assert "Traceback" not in stderr
    assert home.json("data", "info", "digits")["prepared"] is False
    home.do("data", "get", "digits")
    assert [one["intact"] for one in home.json("data", "verify", "digits")] == [True]
