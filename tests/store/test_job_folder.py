"""A job's folder: the job in, progress and a result out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import SESSION
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.jobs import (
    EvaluateJob,
    ExportJob,
    Job,
    PrepareJob,
    TrainJob,
    failure,
    success,
)
from tui_trainer.errors import DatasetError, ExitStatus, FolderError, ReportedError, WorkerError
from tui_trainer.store.job_folder import (
    ProgressLog,
    read_job,
    read_progress,
    read_result,
    write_job,
    write_result,
)

_JOBS: list[Job] = [
    PrepareJob(data_dir="/data", reference="mnist", originals="/files"),
    TrainJob(run_path="/runs/run1", data_dir="/data", config=RunConfig(), session=SESSION),
    EvaluateJob(
        run_path="/r", data_dir="/d", config=RunConfig(), checkpoint="best", split="test",
        device="cpu",
    ),
    ExportJob(run_path="/r", data_dir="/d", config=RunConfig(), checkpoint="last", output="/o"),
]  # fmt: skip


@pytest.mark.parametrize("job", _JOBS, ids=lambda job: type(job).__name__)
def test_a_job_arrives_as_it_was_given(tmp_path: Path, job: Job) -> None:
    folder = tmp_path / "runs" / "job"
    write_job(folder, job)
    assert read_job(folder) == job
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"\xff",
        b'{"job":"destroy"}',
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
    ],
)
def test_a_job_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / paths.JOB).write_bytes(content)
    with pytest.raises(WorkerError):
        read_job(tmp_path)


def test_a_new_job_removes_what_an_earlier_one_left(tmp_path: Path) -> None:
    write_job(tmp_path, _JOBS[0])
    progress = ProgressLog(tmp_path)
    progress.say("old")
    progress.close()
    write_result(tmp_path, success({"a": 1}))
    write_job(tmp_path, _JOBS[1])
    assert read_result(tmp_path) is None
    assert read_progress(tmp_path, 0) == ([], 0)


def test_the_result_of_a_job_that_worked(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    write_result(tmp_path, success({"path": "/a", "accuracy": 0.5}))
    result = read_result(tmp_path)
    assert result is not None
    assert result.exit_status == ExitStatus.DONE
    assert result.unwrap() == {"path": "/a", "accuracy": 0.5}


def test_an_error_crosses_the_process_as_it_is(tmp_path: Path) -> None:
    write_result(tmp_path, failure(DatasetError("It is damaged.", "Get it again.")))
    result = read_result(tmp_path)
    assert result is not None
    with pytest.raises(ReportedError) as caught:
        result.unwrap()
    error = caught.value
    assert (error.code, error.message, error.hint) == ("dataset", "It is damaged.", "Get it again.")
    assert error.exit_status == result.exit_status == ExitStatus.USAGE


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", pytest.param(b'{"x":' + b"[" * 100_000, id="deep")]
)
def test_a_damaged_result_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / paths.JOB_RESULT).write_bytes(content)
    assert read_result(tmp_path) is None


def test_progress_is_read_line_by_line_as_it_comes(tmp_path: Path) -> None:
    assert read_progress(tmp_path, 0) == ([], 0)
    progress = ProgressLog(tmp_path)
    progress.say("first\nline\r", done=1, total=3)
    lines, offset = read_progress(tmp_path, 0)
    assert lines == [{"text": "first\nline\r", "done": 1, "total": 3}]
    assert read_progress(tmp_path, offset) == ([], offset)
    with (tmp_path / paths.JOB_PROGRESS).open("ab") as file:
        file.write(b'{"text":"sec')
        file.flush()
        assert read_progress(tmp_path, offset) == ([], offset)
        file.write(b'ond"}\n')
    lines, offset = read_progress(tmp_path, offset)
    assert lines == [{"text": "second"}]
    assert offset == (tmp_path / paths.JOB_PROGRESS).stat().st_size
    progress.close()


def test_lines_that_are_no_progress_are_left_out(tmp_path: Path) -> None:
    (tmp_path / paths.JOB_PROGRESS).write_bytes(b'noise\n[1]\n\xff\n\n{"text":"a"}\n')
    assert read_progress(tmp_path, 0)[0] == [{"text": "a"}]


@settings(max_examples=30)
@given(st.binary(max_size=100))
def test_any_bytes_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in (paths.JOB_PROGRESS, paths.JOB_RESULT):
        (folder / name).write_bytes(noise)
    read_progress(folder, 0)
    read_result(folder)


def test_a_path_that_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no UTF-8"):
        write_job(tmp_path, PrepareJob(data_dir="/tmp/\udcff", reference="mnist"))
