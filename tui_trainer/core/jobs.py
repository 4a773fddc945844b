"""What a worker process can be asked to do, and how it says it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from tui_trainer.core.config import AugmentConfig, PreparationConfig, RunConfig
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import ExitStatus, ReportedError, TuitrainError


class PrepareJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="prepare"):
    """Prepare the dataset that a settled `reference` names.

    `originals` is a folder or an archive with the official files of one of the catalogue, where a
    person has them. With `again` it is prepared even if it is there. Modules of a user's own code
    are looked for in `folder`; what of it may run is told as in `TrainJob`.
    """

    data_dir: str
    reference: str
    preparation: PreparationConfig = PreparationConfig()
    originals: str = ""
    again: bool = False
    folder: str = ""
    named_code: tuple[str, ...] = ()
    trust_code: bool = False


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


class PreviewJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="preview"):
    """Choose samples of the prepared dataset `name` to be looked at.

    Pictures of images go to the file `pictures`, a `.npy` array. Of the class `label_class` alone
    unless it is −1; drawn from `seed`, or the first ones where it is None; `in_turn` one of each
    class after the other. With `augment` each image is followed by `versions` changed ones.
    """

    data_dir: str
    name: str
    split: str
    count: int
    pictures: str
    label_class: int = -1
    seed: int | None = None
    in_turn: bool = False
    augment: AugmentConfig | None = None
    versions: int = 0


Job = PrepareJob | TrainJob | EvaluateJob | ExportJob | PreviewJob


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
