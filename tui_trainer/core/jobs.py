"""What a worker process can be asked to do, and how it says it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from tui_trainer.core.config import RunConfig
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import ExitStatus, ReportedError, TuitrainError


class PrepareJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="prepare"):
    """Prepare a dataset: from its official source, or from the files in `source`."""

    data_dir: str
    dataset: str
    source: str = ""


class TrainJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="train"):
    """Begin a run whose folder exists, or, with `resume`, go on with it.

    `named_code` is the user's own code that was named on the command line, and so may run;
    `trust_code` lets all run that the configuration names. `accept` is the least exact way of
    going on that the person agreed to.
    """

    run_path: str
    data_dir: str
    config: RunConfig
    session: str
    resume: bool = False
    force: bool = False
    accept: Exactness = Exactness.EXACT
    named_code: tuple[str, ...] = ()
    trust_code: bool = False


class EvaluateJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="evaluate"):
    """Judge a checkpoint (`best`, `last` or a step) of a run on a split."""

    run_path: str
    data_dir: str
    config: RunConfig
    checkpoint: str
    split: str
    device: str
    trust_code: bool = False


class ExportJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="export"):
    """Write a checkpoint of a run as a verified ONNX file at `output`."""

    run_path: str
    data_dir: str
    config: RunConfig
    checkpoint: str
    output: str
    trust_code: bool = False


Job = PrepareJob | TrainJob | EvaluateJob | ExportJob


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """An error in the form that crosses a process boundary."""

    code: str
    message: str
    hint: str
    exit_status: int


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended: its value, or its error."""

    exit_status: int
    value: dict[str, Any] = {}
    error: JobError | None = None

    def unwrap(self) -> dict[str, Any]:
        """The value.

        Raises:
            ReportedError: the job ended on an error.
        """
        if self.error is not None:
            error = self.error
            raise ReportedError(error.code, error.message, error.hint, error.exit_status)
        return self.value


def failure(error: TuitrainError) -> JobResult:
    """The result of a job that ended on `error`."""
    return JobResult(
        exit_status=error.exit_status,
        error=JobError(
            code=error.code,
            message=error.message,
            hint=error.hint,
            exit_status=int(error.exit_status),
        ),
    )


def success(value: dict[str, Any], status: ExitStatus = ExitStatus.DONE) -> JobResult:
    """The result of a job that did its work."""
    return JobResult(exit_status=int(status), value=value)
