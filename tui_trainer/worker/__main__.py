"""A worker process: does the job in a folder and says there how it ended.

Usage: python -P -m tui_trainer.worker JOB_DIR
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from pathlib import Path

from tui_trainer.core.jobs import (
    EvaluateJob,
    ExportJob,
    Job,
    JobResult,
    PrepareJob,
    PreviewJob,
    TrainJob,
    failure,
)
from tui_trainer.errors import DiskFullError, TuitrainError, WorkerError
from tui_trainer.store.job_folder import ProgressLog, read_job, write_result
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker import jobs
from tui_trainer.worker.session import run_session
from tui_trainer.worker.signals import install_handlers


def main(folder: Path) -> int:
    """Do the job in `folder`; the exit status is that of its result."""
    interrupts = Interrupts()
    try:
        job = read_job(folder)
        if isinstance(job, TrainJob):
            # Before torch is imported: a signal during that second is kept, not lost.
            install_handlers(interrupts)
        result = _do(job, folder, interrupts)
    except Exception as error:  # noqa: BLE001 - the boundary of the process
        # It goes to a file, and the disk may be full: how the job ended is said all the same.
        with contextlib.suppress(OSError):
            traceback.print_exc()
        result = failure(_explain(error))
    write_result(folder, result)
    return result.exit_status


def _explain(error: Exception) -> TuitrainError:
    if isinstance(error, TuitrainError):
        return error
    if isinstance(error, OSError) and error.errno in DiskFullError.numbers:
        where = f" for {error.filename}" if error.filename else ""
        return DiskFullError(
            f"There is no room on the disk{where}.", "Free some space, then repeat the command."
        )
    return WorkerError(
        f"{type(error).__name__}: {error}", "Repeat the command with --debug to see where."
    )


def _do(job: Job, folder: Path, interrupts: Interrupts) -> JobResult:
    progress = ProgressLog(folder)
    try:
        if isinstance(job, PrepareJob):
            return jobs.prepare(job, progress)
        if isinstance(job, PreviewJob):
            # Here, as it needs numpy, which training and evaluating load behind torch.
            from tui_trainer.worker.previewing import preview

            return preview(job)
        if isinstance(job, EvaluateJob):
            return jobs.evaluate(job, progress)
        if isinstance(job, ExportJob):
            return jobs.export(job, progress)
        return run_session(job, interrupts)
    finally:
        progress.close()


if __name__ == "__main__":
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written and closed. To take torch apart as well takes a while, for which someone waits.
    os._exit(status)
