"""What cannot be done on a full disk is told in a sentence, with something to do about it."""

from __future__ import annotations

import errno
import os
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.jobs import PrepareJob, TrainJob
from tui_trainer.errors import FolderError, StorageError
from tui_trainer.launch import spawn
from tui_trainer.store import control, registry
from tui_trainer.store.job_folder import read_result, write_job
from tui_trainer.store.run_folder import RunFolder
from tui_trainer.worker import __main__ as worker

MakeRun = Callable[..., RunFolder]


def refuse(*arguments: object, **options: object) -> None:
    """Nothing can be written: the disk is full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("traceback_fits", [True, False])
def test_a_worker_says_how_it_ended_wherever_its_own_output_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traceback_fits: bool
) -> None:
    write_job(tmp_path, PrepareJob(data_dir=str(tmp_path / "data"), reference="digits"))
    monkeypatch.setattr(worker.jobs, "prepare", refuse)
    if not traceback_fits:
        monkeypatch.setattr(traceback, "print_exc", refuse)
    assert worker.main(tmp_path) == 1
    result = read_result(tmp_path)
    assert result is not None
    assert result.error is not None
    assert (result.error.code, result.error.exit_status) == ("storage", 1)
    assert result.error.message == "There is no room on the disk."
    assert result.error.hint == "Free some space, then repeat the command."


def test_a_request_that_finds_no_room_is_refused(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monkeypatch.setattr(control, "replace_file", refuse)
    with pytest.raises(
        StorageError, match="'stop' to run1 could not be written: No space"
    ) as caught:
        control.submit(run.path, builders.SESSION, "stop")
    assert "SIGTERM stops" in caught.value.hint


def test_a_run_whose_job_finds_no_room_is_not_started_and_nobody_holds_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    job = TrainJob(
        run_path=str(run.path), data_dir="none", config=RunConfig(), session=uuid.uuid4().hex
    )
    monkeypatch.setattr(spawn, "write_job", refuse)
    with pytest.raises(StorageError, match=r"run1 could not be started.*No space left") as caught:
        spawn.start_training(run.path, job)
    assert "resume run1" in caught.value.hint
    assert spawn.holder_of(run.path / paths.LAUNCH_LOCK)[0] is False


def test_a_run_that_finds_no_room_asks_for_space_and_not_for_permissions(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "write_durable", refuse)
    with pytest.raises(FolderError, match="No space left on device") as caught:
        make_run()
    assert caught.value.hint == "Name another with --runs, or free some space."
