"""How many threads a worker takes, and that it says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import fork
from tests.command import wait_until
from tui_trainer.worker import threads
from tui_trainer.worker.threads import choose_threads, find_other_trainings, usable_cores

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

Share = Callable[[int, int], None]


@pytest.fixture(autouse=True)
def share(monkeypatch: pytest.MonkeyPatch) -> Share:
    """Makes the machine one with so many cores and other runs; without, all cores and no other."""
    for variable in _VARIABLES:
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)

    def set_share(cores: int, others: int) -> None:
        runs = {f"/runs/run{number}/job" for number in range(others)}
        monkeypatch.setattr(threads, "usable_cores", lambda: cores)
        monkeypatch.setattr(threads, "find_other_trainings", lambda: runs)

    set_share(usable_cores(), 0)
    return set_share


@pytest.fixture
def start() -> Iterator[Callable[..., None]]:
    """Starts processes that sleep under the command line of something else."""
    started = []

    def start(*command: str) -> None:
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)", *command]
        started.append(subprocess.Popen(sleeper))

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_asked_for_threads_reach_every_library() -> None:
    assert choose_threads(3) == (3, "threads 3: as configured, or as before")
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"


def test_left_to_choose_it_takes_the_usable_cores_and_says_so() -> None:
    cores = usable_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    assert choose_threads(0) == (cores, f"threads {cores}: one for each of {cores} usable cores")
    assert os.environ["OMP_NUM_THREADS"] == str(cores)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity here")
def test_cores_that_are_not_allowed_do_not_count() -> None:
    def child() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        assert usable_cores() == 1

    assert fork(child) == 0


@pytest.mark.parametrize(
    ("cores", "others", "expected", "reason"),
    [
        (16, 0, 16, "one for each of 16 usable cores"),
        (16, 1, 8, "a share of 16 usable cores, beside 1 other run"),
        (16, 4, 3, "a share of 16 usable cores, beside 4 other runs"),
        (2, 5, 1, "a share of 2 usable cores, beside 5 other runs"),
    ],
)
def test_runs_at_the_same_time_share_the_cores(
    share: Share, cores: int, others: int, expected: int, reason: str
) -> None:
    share(cores, others)
    assert choose_threads(0) == (expected, f"threads {expected}: {reason}")
    assert choose_threads(7)[0] == 7


@pytest.mark.parametrize(
    ("others", "variables", "expected"),
    [
        (0, {}, None),
        (1, {}, "1000"),
        (1, {"GOMP_SPINCOUNT": "7"}, "7"),
        (1, {"OMP_WAIT_POLICY": "ACTIVE"}, None),
    ],
)
def test_waiting_threads_give_way_to_other_runs_unless_told_otherwise(
    share: Share,
    monkeypatch: pytest.MonkeyPatch,
    others: int,
    variables: dict[str, str],
    expected: str | None,
) -> None:
    share(2, others)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    choose_threads(2)
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_other_runs_are_found_by_their_workers(start: Callable[..., None], tmp_path: Path) -> None:
    training, judging = str(tmp_path / "run1" / "job"), str(tmp_path / "temporary")
    start("-m", "tui_trainer.worker", training)
    start("-m", "tui_trainer.worker", training)  # as a loader of batches, forked from its worker
    start("-m", "tui_trainer.worker", judging)
    start("-m", "somebody.worker", str(tmp_path / "run2" / "job"))
    wait_until(lambda: training in find_other_trainings(), "the worker's command line")
    ours = {folder for folder in find_other_trainings() if folder.startswith(str(tmp_path))}
    assert ours == {training}


# torch's threads are those of the environment in which it was imported.
_JUDGING = """
import sys
from pathlib import Path
from tui_trainer.core import jobs
from tui_trainer.core.config import RunConfig
from tui_trainer.store.job_folder import ProgressLog
from tui_trainer.worker import jobs as module

def choose_threads(asked):
    sys.exit("too late" if "torch" in sys.modules else 0)

module.choose_threads = choose_threads
folder = Path(sys.argv[2])
usual = dict(run_path=str(folder), data_dir=str(folder), config=RunConfig(), checkpoint="best")
if sys.argv[1] == "evaluate":
    module.evaluate(jobs.EvaluateJob(**usual, split="test", device="cpu"), ProgressLog(folder))
module.export(jobs.ExportJob(**usual, output="model.onnx"), ProgressLog(folder))
"""


@pytest.mark.parametrize("job", ["evaluate", "export"])
def test_threads_are_chosen_before_torch_is_imported(tmp_path: Path, job: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _JUDGING, job, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
