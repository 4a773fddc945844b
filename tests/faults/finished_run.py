"""A finished run and its data, every kind of file of which is there to be damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.train.runs import Runs
from tui_trainer import paths
from tui_trainer.checkpoints.layout import list_steps
from tui_trainer.core.jobs import TrainJob, success
from tui_trainer.core.run_record import Annotations, describe
from tui_trainer.core.sealed_json import seal
from tui_trainer.store.control import submit
from tui_trainer.store.job_folder import write_job, write_result
from tui_trainer.store.run_folder import read_run

DATASET = "mnist"

_SESSION = "session-of-the-tests"


@dataclass(frozen=True)
class FinishedRun:
    """A folder that holds a data folder and a folder of runs with one run in it."""

    root: Path

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.root / "data"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.root / "runs" / "run1"

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.path / paths.CHECKPOINTS

    @property
    def steps(self) -> list[int]:
        """The steps of which there is a checkpoint, in order: several."""
        return list_steps(self.checkpoints)


def fill_folder(root: Path) -> None:
    """Train a small run with averaged weights; leave a name, a job, its result and a request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.STATE_VARIABLE, str(root / "state"))
        runs = Runs(root)
        folder, config = runs.create(
            model__name="convnet-small", average__name="ema", checkpoints__every_steps=4
        )
        runs.train(folder, config)
    job = TrainJob(
        run_path=str(folder.path), data_dir=str(runs.data_dir), config=config, session=_SESSION
    )
    write_job(folder.path / paths.JOB_FOLDER, job)
    write_result(folder.path / paths.JOB_FOLDER, success(describe(read_run(folder))))
    submit(folder.path, _SESSION, "set", {"lr": 0.1})
    annotations = Annotations(name="baseline", tags=("first", "best"), note="zwölf Wörter")
    (folder.path / paths.ANNOTATIONS).write_bytes(seal(msgspec.json.encode(annotations)))
