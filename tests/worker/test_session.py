"""A session of training at its edges: before its first step, at an epoch's end, on a fault."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.command import Home
from tests.faults.worker_pool import WorkerPool
from tests.worker.after_step import AfterStep
from tui_trainer.core.config import DataConfig, HardwareConfig, RunConfig, TrainingConfig
from tui_trainer.core.jobs import JobResult, TrainJob
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.job_folder import read_result, write_job
from tui_trainer.store.lease import acquire_lease
from tui_trainer.store.registry import Registry

Work = Callable[..., tuple[int, JobResult]]

# One step an epoch.
CONFIG = RunConfig(
    data=DataConfig(batch_size=1295),
    training=TrainingConfig(epochs=3),
    hardware=HardwareConfig(threads=1, device="cpu"),
)


@pytest.fixture
def run(home: Home) -> Home:
    """A home with run1, created but not begun, in one-step epochs."""
    Registry(home.runs).create(builders.environment(), encode_config(CONFIG))
    return home


@pytest.fixture
def work(run: Home, pool: WorkerPool) -> Work:
    """Does a session of run1 in a process of its own: its exit status and its result."""

    def work(after_step: str = "pass", **changes: Any) -> tuple[int, JobResult]:
        values = {"run_path": str(run.run()), "data_dir": str(run.data), "config": CONFIG}
        job = TrainJob(**{**values, "session": uuid.uuid4().hex, **changes})
        folder = run.run() / "job"
        write_job(folder, job)
        status = pool.start(run.run(), AfterStep(after_step)).wait()
        result = read_result(folder)
        assert result is not None
        assert result.exit_status == status
        return status, result

    return work


def test_missing_dataset_fails_before_the_first_step(run: Home, work: Work, tmp_path: Path) -> None:
    status, result = work(data_dir=str(tmp_path / "nothing"))
    assert status == 2
    assert result.error is not None
    assert result.error.code == "dataset"
    (failed,) = run.events()
    assert (failed["kind"], failed["code"], failed["type"]) == ("failed", "dataset", "DatasetError")
    assert (failed["step"], failed["traceback"]) == (0, "")
    assert "is not in" in failed["message"]
    assert failed["hint"] == "Prepare it with: tuitrain data get digits."
    assert run.state() == "failed"


def test_fault_of_our_own_is_logged_with_its_traceback(run: Home, work: Work) -> None:
    status, result = work("step == 2 and 1 / 0")
    assert status == 1
    assert result.error is not None
    assert "ZeroDivisionError: division by zero" in result.error.message
    failed = run.events()[-1]
    assert (failed["kind"], failed["code"]) == ("failed", "internal")
    assert failed["type"] == "ZeroDivisionError"
    assert "in and_then" in failed["traceback"]
    assert "ZeroDivisionError: division by zero" in (run.run() / "worker.log").read_text()
    shown = run.json("runs", "show", "1")
    assert shown["state"] == "failed"
    assert shown["error"]["message"] == "division by zero"
    assert "Traceback" in run.do("runs", "logs", "1")


def test_run_that_another_worker_holds_is_not_touched(run: Home, work: Work) -> None:
    lease = acquire_lease(run.run(), builders.SESSION)
    try:
        status, result = work()
    finally:
        if lease is not None:
            lease.release()
    assert status == 2
    assert result.error is not None
    assert result.error.code == "run-state"
    assert "already being trained by process" in result.error.message
    assert run.events() == []


def test_stop_after_the_last_step_of_an_epoch_loses_nothing_of_it(run: Home, work: Work) -> None:
    status, _ = work("step == 2 and os.kill(os.getpid(), signal.SIGINT)")
    assert status in (0, 130)
    if status == 130:
        assert run.state() == "stopped"
        assert work(resume=True)[0] == 0
    assert run.state() == "finished"
    assert [event["epoch"] for event in run.events("epoch_finished")] == [1, 2, 3]
    judged = [(event["split"], event["epoch"]) for event in run.events("evaluated")]
    assert judged[:3] == [("validation", epoch) for epoch in (1, 2, 3)]
    assert judged[3][0] == "test"
    assert len(judged) == 4


def test_run_killed_after_its_last_checkpoint_is_finished_by_resume(run: Home, work: Work) -> None:
    status, result = work()
    assert status == 0
    assert result.unwrap() | {"changed_files": []} == run.json("runs", "show", "1")
    assert result.unwrap()["state"] == "finished"
    assert (run.run() / "worker.log").read_bytes() == b""
    log = run.run() / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    kept = lines[: [json.loads(line)["kind"] for line in lines].index("finished") - 1]
    assert json.loads(kept[-1])["kind"] == "checkpoint_saved"
    log.write_bytes(b"".join(kept))
    assert run.state() == "interrupted"
    assert work(resume=True)[0] == 0
    assert run.state() == "finished"
    assert run.events("evaluated")[-1]["split"] == "test"
