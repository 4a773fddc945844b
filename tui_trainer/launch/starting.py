"""Starting a run and going on with one: what the command line and the dashboard do alike."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.places import named_code, settle_paths
from tui_trainer.core.config.resolve import Resolved
from tui_trainer.core.dataset_reference import (
    code_parts,
    is_own,
    prepared_name,
    prepared_name_of,
)
from tui_trainer.core.exactness import Exactness
from tui_trainer.core.job_progress import JobProgress
from tui_trainer.core.job_reports import warn_of_preparation
from tui_trainer.core.jobs import PrepareJob, TrainJob
from tui_trainer.core.next_steps import check_resumable
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.errors import ExitStatus, StorageError, TuitrainError, WorkerError
from tui_trainer.launch.follower import Follower
from tui_trainer.launch.spawn import WorkerProcess, run_job
from tui_trainer.store.atomic import remove_folder
from tui_trainer.store.config_sources import encode_config, read_config
from tui_trainer.store.datasets import has_changed, is_outdated, is_prepared, read_spec
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_dataset import version_of
from tui_trainer.store.run_folder import RunFolder, read_run

_TAIL_BYTES = 20_000
_FULL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Waiting:
    """Who waits for something to start: `say` tells them, `is_wanted` whether they still wait.

    `report` shows them how far a dataset is prepared.
    """

    say: Callable[[str], object]
    is_wanted: Callable[[], bool] = lambda: True
    report: Callable[[JobProgress], object] | None = None


def resolve_prepared(
    data_dir: Path,
    resolve: Callable[[], Resolved],
    waiting: Waiting,
    *,
    trust_code: bool = False,
) -> Resolved:
    """A configuration whose dataset is here.

    What a person's own data are is known once they are prepared. So `resolve` is called before,
    that nothing wrong is found out late, and again after, to choose by what they are.

    Raises:
        TuitrainError: the settings are wrong, or the dataset cannot be had.
    """
    resolved = resolve()
    ensure_prepared(data_dir, resolved, waiting, trust_code=trust_code)
    return resolve() if is_own(resolved.config.data.dataset) else resolved


def ensure_prepared(
    data_dir: Path, resolved: Resolved, waiting: Waiting, *, trust_code: bool = False
) -> None:
    """Prepare the dataset of a run that is about to begin, where it is not here as it is now.

    Raises:
        DatasetError: it cannot be had.
    """
    config = settle_paths(resolved.config, Path.cwd())
    named = named_code(config, resolved.origins)
    _ensure_here(data_dir, config, waiting, named, trust_code=trust_code, is_fresh=True)


def _ensure_here(
    data_dir: Path,
    config: RunConfig,
    waiting: Waiting,
    named: tuple[str, ...] = (),
    *,
    trust_code: bool,
    is_fresh: bool,
) -> None:
    """Prepare the dataset of a settled configuration where it is missing.

    For a run that is fresh it is also prepared again where its files are others now.
    """
    reference, preparation = config.data.dataset, config.preparation
    name = prepared_name(reference, preparation)
    if is_prepared(data_dir, name) and not _is_stale(data_dir, name, reference):
        spec = read_spec(data_dir, name, reference)
        if not (is_fresh and has_changed(data_dir, spec)):
            return
        waiting.say(f"{reference} has changed since it was prepared; preparing it again")
    job = PrepareJob(
        data_dir=str(data_dir),
        reference=reference,
        preparation=preparation,
        folder=str(Path.cwd()),
        named_code=tuple(part for part in code_parts(reference) if part in named),
        trust_code=trust_code,
    )
    value = run_job(job, waiting.say, waiting.is_wanted, waiting.report)
    for line in warn_of_preparation(value):
        waiting.say(line)
    waiting.say(f"prepared {reference} in {value['path']}")


def _is_stale(data_dir: Path, name: str, reference: str) -> bool:
    """Whether it was prepared by an older tuitrain, and can be prepared again without a person."""
    entry = DATASETS.get(reference)
    return is_outdated(data_dir, name) and (entry is None or entry.is_installed)


def create_run(
    runs_dir: Path,
    data_dir: Path,
    resolved: Resolved,
    name: str,
    command: Sequence[str],
    waiting: Waiting,
    *,
    with_code: bool = True,
    trust_code: bool = False,
) -> tuple[RunFolder, TrainJob]:
    """A run folder, once its dataset is here, and the job that trains it.

    Args:
        command: The command line that makes such a run; it is kept with the run.
        with_code: Whether the git commit and the uncommitted changes are kept too.
    """
    ensure_prepared(data_dir, resolved, waiting, trust_code=trust_code)
    environment = capture_environment(list(command), with_code=with_code)
    config = settle_paths(resolved.config, Path.cwd())
    folder = Registry(runs_dir).create(environment, encode_config(config), name)
    job = TrainJob(
        run_path=str(folder.path),
        data_dir=str(data_dir),
        config=config,
        session=uuid.uuid4().hex,
        named_code=named_code(config, resolved.origins),
        # A folder made a moment ago is nobody else's, whether locks work there or not.
        force=True,
        trust_code=trust_code,
    )
    return folder, job


def make_resume_job(
    folder: RunFolder,
    record: RunRecord,
    data_dir: Path,
    waiting: Waiting,
    *,
    epochs: int | None = None,
    accept: Exactness = Exactness.EXACT,
    force: bool = False,
    trust_code: bool = False,
) -> TrainJob:
    """The job that goes on with a run, once its dataset is here.

    Args:
        epochs: The new total; that of the last session where it is left out.
        accept: The least exact way of going on that the person agreed to.

    Raises:
        RunStateError: the run cannot go on.
        TuitrainError: its configuration cannot be read, or its dataset cannot be had.
    """
    config = check_resume(record, epochs=epochs, force=force)
    if version_of(folder.path, data_dir, config) == prepared_name_of(config):
        _ensure_here(data_dir, config, waiting, trust_code=trust_code, is_fresh=False)
    return TrainJob(
        run_path=str(folder.path),
        data_dir=str(data_dir),
        config=config,
        session=uuid.uuid4().hex,
        resume=True,
        force=force,
        accept=accept,
        trust_code=trust_code,
    )


def check_resume(record: RunRecord, *, epochs: int | None = None, force: bool = False) -> RunConfig:
    """The configuration that a run would go on with: the threads and the total of its last session.

    Raises:
        RunStateError: the run cannot go on.
        StorageError: its configuration cannot be read.
    """
    config, snapshot = read_config(Path(record.path)), record.snapshot
    total = epochs if epochs is not None else snapshot.epochs or config.training.epochs
    threads = snapshot.threads or config.hardware.threads
    config = msgspec.structs.replace(
        config,
        training=msgspec.structs.replace(config.training, epochs=total),
        hardware=msgspec.structs.replace(config.hardware, threads=threads),
    )
    check_resumable(record, config.training, force=force)
    return config


def await_start(
    folder: RunFolder, worker: WorkerProcess, session: str, waiting: Waiting
) -> RunRecord:
    """The record once the worker has begun to train, or nobody waits for it any more.

    Raises:
        TuitrainError: it ended before that.
    """
    follower = Follower(folder)
    for _, record in follower.until(lambda _: not (worker.is_alive and waiting.is_wanted())):
        if record.snapshot.session == session:
            return record
    _, record = follower.poll()
    if record.snapshot.session != session and not worker.is_alive:
        settle(folder, worker, session)
    return record


def settle(folder: RunFolder, worker: WorkerProcess, session: str) -> int:
    """The exit status of a worker that trained a run and has ended.

    A run that was found bad before its first step is removed, as if it had been refused at once.

    Raises:
        TuitrainError: the run failed, or the worker died unasked.
    """
    try:
        result = worker.wait()
        result.unwrap()
        return result.exit_status
    except WorkerError as error:
        raise _explain_death(folder, error) from error
    except TuitrainError as error:
        error.add_note(_tail_of(worker.log))
        snapshot = read_run(folder).snapshot
        if snapshot.sessions == 0 and error.exit_status == ExitStatus.USAGE:
            remove_folder(folder.path)
        else:
            # Where this session never began, what the last one reached still stands.
            failed = snapshot.sessions == 0 or snapshot.session == session
            what = "failed" if failed else "was not resumed"
            error.message = f"{folder.run} {what}: {error.message}"
        raise


def _explain_death(folder: RunFolder, error: WorkerError) -> TuitrainError:
    if shutil.disk_usage(folder.path).free < _FULL_BYTES:
        # Then the worker could not write why it ended either.
        return StorageError(
            f"{folder.run} ended: the disk that holds {folder.path} is full.",
            f"Free some space, then go on with: tuitrain resume {folder.run}.",
        )
    if read_run(folder).state is RunState.INTERRUPTED:
        hint = f"Go on from the last checkpoint with: tuitrain resume {folder.run}."
    else:
        hint = f"See what it printed with: tuitrain runs logs {folder.run}."
    return WorkerError(f"{folder.run}: {error.message}", hint)


def _tail_of(log: Path) -> str:
    """The end of what the worker printed; --debug shows it."""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace")
