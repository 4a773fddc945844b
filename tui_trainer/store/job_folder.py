"""A job's folder: `job.json` in, a progress log out, `result.json` by rename at the end."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from tui_trainer import paths
from tui_trainer.core.jobs import Job, JobResult
from tui_trainer.core.sealed_json import seal, unseal
from tui_trainer.errors import FolderError, WorkerError
from tui_trainer.store.atomic import replace_file


def write_job(folder: Path, job: Job) -> None:
    """Put a job into `folder`, which is made if need be; what an earlier job left there goes.

    Raises:
        FolderError: a path in it is no text.
    """
    try:
        content = seal(msgspec.json.encode(job))
    except UnicodeEncodeError as error:
        raise FolderError(
            f"The path {error.object!r} has bytes that are no UTF-8, and cannot be worked with.",
            "Rename it, or work from and with another folder.",
        ) from error
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (paths.JOB_RESULT, paths.JOB_PROGRESS):
        (folder / name).unlink(missing_ok=True)
    replace_file(folder / paths.JOB, content)


def read_job(folder: Path) -> Job:
    """The job in `folder`.

    Raises:
        WorkerError: there is none that can be read.
    """
    try:
        content = unseal((folder / paths.JOB).read_bytes())
        job: Job = msgspec.json.decode(content, type=Job)
        return job
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkerError(
            f"The job in {folder} cannot be read: {error}.", "Start it again."
        ) from error


def write_result(folder: Path, result: JobResult) -> None:
    """Say how the job ended."""
    replace_file(folder / paths.JOB_RESULT, seal(msgspec.json.encode(result)), durable=False)


def read_result(folder: Path) -> JobResult | None:
    """How the job ended, or None where it has not said so."""
    try:
        content = unseal((folder / paths.JOB_RESULT).read_bytes())
        return msgspec.json.decode(content, type=JobResult)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class ProgressLog:
    """The worker's side of a job's progress: one JSON object a line."""

    def __init__(self, folder: Path) -> None:
        self._file = open(folder / paths.JOB_PROGRESS, "ab", buffering=0)  # noqa: SIM115

    def say(self, text: str, **figures: Any) -> None:
        """One line of progress."""
        self._file.write(msgspec.json.encode({"text": text, **figures}) + b"\n")

    def close(self) -> None:
        """No more progress."""
        self._file.close()


def read_progress(folder: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The whole progress lines from `offset` on, and the offset after them.

    Lines that are not JSON objects are left out.
    """
    try:
        with open(folder / paths.JOB_PROGRESS, "rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    whole = content[: content.rfind(b"\n") + 1]
    lines = []
    for line in whole.splitlines():
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lines.append(msgspec.json.decode(line, type=dict[str, Any]))
    return lines, offset + len(whole)
