"""What the dashboard starts: runs, which outlive it, and short jobs, which end with it.

All that waits does so in a thread; what there is to say is posted to the app.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.message import Message

from tui_trainer import paths
from tui_trainer.core.code_names import parse_metric_names
from tui_trainer.core.config import PreparationConfig
from tui_trainer.core.config.resolve import Resolved
from tui_trainer.core.job_reports import describe_evaluation, describe_export, describe_parity
from tui_trainer.core.jobs import EvaluateJob, ExportJob, Job, TrainJob
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.messages import Said
from tui_trainer.errors import TuitrainError
from tui_trainer.launch.spawn import run_job, start_training
from tui_trainer.launch.starting import (
    Waiting,
    await_start,
    check_resume,
    create_run,
    make_resume_job,
    resolve_prepared,
)
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.datasets import find_spec
from tui_trainer.store.run_folder import RunFolder

_RESULT_S = 20.0
_ERROR_S = 12.0
_MOST_CHARACTERS = 600


@dataclass(frozen=True)
class NewRun:
    """A run to be made: its settings, its name, and the command line that makes such a run.

    `decide` gives the settings, by what is known of the dataset when it is called.
    """

    decide: Callable[[], Resolved]
    name: str
    command: tuple[str, ...]


class Jobs:
    """Starts things for the dashboard, one at a time for each run."""

    def __init__(self, runs_dir: Path, data_dir: Path, post: Callable[[Message], object]) -> None:
        self._runs_dir = runs_dir
        self._data_dir = data_dir
        self._post = post
        self._busy: dict[str, str] = {}
        self._ended = threading.Event()
        self._waiting = Waiting(self.say, lambda: not self._ended.is_set())

    def end(self) -> None:
        """End the short jobs; runs go on."""
        self._ended.set()

    def say(self, text: str, role: str = "text", seconds: float | None = None) -> None:
        """Say something in the footer; from any thread."""
        self._post(Said(text, role, seconds))

    def find_spec(self, reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
        """What a dataset was found to be when it was prepared; None where it is not here.

        Raises:
            DatasetError: the reference is none, or what was prepared is damaged.
        """
        return find_spec(self._data_dir, reference, preparation)

    async def evaluate(self, record: RunRecord) -> None:
        """Judge the best checkpoint of a run on the test split."""
        await self._do(record, "judged on the test split", lambda: self._evaluate(record))

    async def export(self, record: RunRecord) -> None:
        """Write the best checkpoint of a run as a verified ONNX file."""
        await self._do(record, "exported", lambda: self._export(record))

    async def resume(self, record: RunRecord) -> None:
        """Go on with a run from its last checkpoint, exactly."""
        await self._do(record, "resumed", lambda: self._resume(record))

    async def why_not_resumable(self, record: RunRecord) -> str:
        """What stands against resuming a run, as far as its folder tells; empty if nothing."""
        try:
            await asyncio.to_thread(check_resume, record)
        except TuitrainError as error:
            return tell(error)
        return ""

    async def start(self, new: NewRun) -> RunRecord:
        """Make a run and start it; its record, once it trains.

        Raises:
            TuitrainError: it could not be made, or ended before it trained.
        """
        return await asyncio.to_thread(self._start, new)

    async def _do(self, record: RunRecord, done: str, work: Callable[[], str]) -> None:
        if record.path in self._busy:
            self.say(f"{record.run} is being {self._busy[record.path]} already", "warning")
            return
        self._busy[record.path] = done
        self.say(f"{record.run} is being {done} …", "text", _RESULT_S)
        try:
            said = await asyncio.to_thread(work)
        except (OSError, TuitrainError) as error:
            self.say(tell(error), "error", _ERROR_S)
        else:
            self.say(said, "good", _RESULT_S)
        finally:
            del self._busy[record.path]

    def _evaluate(self, record: RunRecord) -> str:
        config = read_config(Path(record.path))
        job = EvaluateJob(
            run_path=record.path,
            data_dir=str(self._data_dir),
            config=config,
            checkpoint="best",
            split="test",
            device="auto",
        )
        own_metrics = parse_metric_names(config.training.metrics)
        return describe_evaluation(self._run_job(job), own_metrics)

    def _export(self, record: RunRecord) -> str:
        run = Path(record.path)
        job = ExportJob(
            run_path=record.path,
            data_dir=str(self._data_dir),
            config=read_config(run),
            checkpoint="best",
            output=str(run / paths.EXPORTS / "model.onnx"),
        )
        value = self._run_job(job)
        return f"{describe_export(value)}  {describe_parity(value['parity'])}"

    def _run_job(self, job: Job) -> dict[str, Any]:
        return run_job(job, self._waiting.say, self._waiting.is_wanted)

    def _resume(self, record: RunRecord) -> str:
        folder = RunFolder(Path(record.path))
        self._begin(folder, make_resume_job(folder, record, self._data_dir, self._waiting))
        return f"{record.run} goes on"

    def _start(self, new: NewRun) -> RunRecord:
        resolved = resolve_prepared(self._data_dir, new.decide, self._waiting)
        folder, job = create_run(
            self._runs_dir, self._data_dir, resolved, new.name, new.command, self._waiting
        )
        self.say(f"starting {folder.run} …", "text", _RESULT_S)
        return self._begin(folder, job)

    def _begin(self, folder: RunFolder, job: TrainJob) -> RunRecord:
        worker = start_training(folder.path, job)
        return await_start(folder, worker, job.session, self._waiting)


def tell(error: Exception) -> str:
    """An error in one line fit to be shown: what is wrong, and what to do."""
    told = f"{error.message} {error.hint}" if isinstance(error, TuitrainError) else str(error)
    return sanitize(" ".join(told.split()), limit=_MOST_CHARACTERS)
