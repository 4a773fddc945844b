"""Starting workers, and what becomes of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.command import Home, kill_group, wait_until, workers
from tui_trainer.core.config import HardwareConfig, RunConfig
from tui_trainer.core.job_progress import JobProgress
from tui_trainer.core.jobs import PrepareJob, TrainJob
from tui_trainer.errors import ReportedError, RunStateError, WorkerError
from tui_trainer.launch.spawn import run_job, start_training
from tui_trainer.store.job_folder import read_result, write_job
from tui_trainer.store.lease import look
from tui_trainer.store.run_folder import RunFolder, read_run

MakeRun = Callable[..., RunFolder]
Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where jobs get their temporary folders."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def prepare(data: Path, source: str = "") -> PrepareJob:
    return PrepareJob(data_dir=str(data), reference="digits", originals=source)


def train_job(run: RunFolder, data: Path, config: RunConfig | None = None) -> TrainJob:
    return TrainJob(
        run_path=str(run.path),
        data_dir=str(data),
        config=config or RunConfig(hardware=HardwareConfig(threads=1)),
        session=uuid.uuid4().hex,
    )


def test_job_gives_its_value_and_passes_its_progress_on(tmp_path: Path, scratch: Path) -> None:
    said: list[str] = []
    value = run_job(prepare(tmp_path / "data"), said.append)
    assert said == ["preparing digits"]
    assert value["dataset"] == "digits"
    assert (tmp_path / "data" / "digits" / "dataset.json").is_file()
    assert list(scratch.iterdir()) == []


def test_how_far_a_job_is_goes_to_whom_it_concerns(tmp_path: Path) -> None:
    said: list[str] = []
    heard: list[JobProgress] = []
    run_job(prepare(tmp_path / "data"), said.append, report=heard.append)
    assert said == ["preparing digits"]
    assert (heard[-1].done, heard[-1].total, heard[-1].unit) == (1797, 1797, "samples")
    assert [progress.done for progress in heard] == sorted(progress.done for progress in heard)


def test_a_job_that_is_not_wanted_any_more_is_ended(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(WorkerError, match="was called off"):
        run_job(prepare(tmp_path / "data"), lambda _: None, lambda: False)
    assert not workers(os.getpid())
    assert not (tmp_path / "data" / "digits").exists()
    assert list(scratch.iterdir()) == []


def test_error_of_a_job_is_the_same_on_this_side(tmp_path: Path, scratch: Path) -> None:
    said: list[str] = []
    with pytest.raises(ReportedError, match="digits is not imported from files") as caught:
        run_job(prepare(tmp_path, source=str(tmp_path)), said.append)
    assert (caught.value.code, caught.value.exit_status) == ("dataset", 2)
    assert caught.value.hint == "Prepare it with: tuitrain data get digits."
    assert said == ["preparing digits"]
    # What the worker printed is kept for --debug.
    assert any("Traceback" in note for note in caught.value.__notes__)
    assert list(scratch.iterdir()) == []


def test_killed_worker_is_an_error_that_says_so(tmp_path: Path, scratch: Path) -> None:
    def kill(_: str) -> None:
        for worker in workers(os.getpid()):
            kill_group(worker.pid)

    with pytest.raises(WorkerError, match="without a result: it was killed by SIGKILL"):
        run_job(prepare(tmp_path / "data"), kill)
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "data" / "digits").exists()


def test_interrupt_ends_the_worker_too(tmp_path: Path, scratch: Path) -> None:
    seen: list[psutil.Process] = []

    def interrupt(_: str) -> None:
        seen.extend(workers(os.getpid()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(prepare(tmp_path / "data"), interrupt)
    assert len(seen) == 1
    wait_until(lambda: not workers(os.getpid()), "the end of the worker")
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "data" / "digits").exists()


def test_termination_ends_the_worker_too(tmp_path: Path, scratch: Path) -> None:
    def terminate(_: str) -> None:
        assert len(workers(os.getpid())) == 1
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        run_job(prepare(tmp_path / "data"), terminate)
    assert caught.value.code == 143
    wait_until(lambda: not workers(os.getpid()), "the end of the worker")
    assert list(scratch.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_started_worker_holds_the_lease_and_obeys_a_signal(
    make_run: MakeRun, digits_data: Path
) -> None:
    folder = make_run()
    job = train_job(folder, digits_data)
    worker = start_training(folder.path, job)
    try:
        lease = look(folder.path)
        assert (lease.held, lease.pid, lease.session) == (True, worker.pid, job.session)
        assert not lease.launching
        assert os.getpgid(worker.pid) == worker.pid != os.getpgid(0)
        with pytest.raises(RunStateError, match=f"already being trained by process {worker.pid}"):
            start_training(folder.path, train_job(folder, digits_data))
        worker.signal(signal.SIGTERM)
        result = worker.wait()
    finally:
        worker.kill()
    assert result.exit_status == 143
    assert result.unwrap()["state"] == "stopped"
    assert read_run(folder).state == "stopped"
    worker.signal(signal.SIGTERM)
    worker.kill()


def test_worker_that_dies_at_once_is_no_hang(
    make_run: MakeRun, digits_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run()
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    worker = start_training(folder.path, train_job(folder, digits_data))
    with pytest.raises(WorkerError, match="ended without a result: exit status 1"):
        worker.wait()
    assert not look(folder.path).launching
    assert read_run(folder).state == "failed"


def test_run_that_someone_else_starts_is_left_to_them(
    make_run: MakeRun, hold: Hold, digits_data: Path
) -> None:
    folder = make_run()
    hold(folder.path / "launch.lock")
    with pytest.raises(RunStateError, match="run1 is being started by another tuitrain"):
        start_training(folder.path, train_job(folder, digits_data))
    assert not (folder.path / "job").exists()


def test_of_two_starts_at_once_exactly_one_wins(trained: Home) -> None:
    line = ("resume", "1", "--epochs", "100000", "--detach")
    both = [trained.start(*line) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    for process, (stdout, stderr) in zip(both, outputs, strict=True):
        if process.returncode == 0:
            assert stdout == "run1\n"
        else:
            assert re.search(
                r"error: run1 (is|was not resumed: run1 is) .*(process \d+|another)", stderr
            )
            assert stdout == ""
    wait_until(lambda: trained.state() == "running", "the winner to train")
    starts = [*trained.events("run_started"), *trained.events("resumed")]
    assert len(starts) == 2
    assert trained.events("failed") == []


def test_worker_without_a_job_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tui_trainer.worker", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    result = read_result(tmp_path)
    assert result is not None
    assert result.error is not None
    assert "cannot be read" in result.error.message


def test_module_in_the_working_folder_does_not_reach_the_worker(home: Home) -> None:
    for name in ("random", "numpy", "torch", "json"):
        (home.folder / f"{name}.py").write_text("raise SystemExit('imported from the user')\n")
    home.data = home.folder / "data"
    assert home.json("data", "get", "digits")["dataset"] == "digits"


def test_new_job_clears_what_the_last_one_left(tmp_path: Path) -> None:
    write_job(tmp_path, prepare(tmp_path))
    (tmp_path / "result.json").write_text('{"exit_status": 0}')
    (tmp_path / "progress.jsonl").write_text("{}\n")
    write_job(tmp_path, prepare(tmp_path))
    assert read_result(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["job.json"]
