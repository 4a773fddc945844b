"""The part of a session that needs torch: from a configuration to a trained run."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.checkpoints.read import Checkpoint, read_newest
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.dataset_versions import hash_data
from tui_trainer.core.exactness import Difference
from tui_trainer.core.jobs import TrainJob
from tui_trainer.data.parts import is_kept, read_held_out, save_parts
from tui_trainer.data.prepared import load_file
from tui_trainer.errors import (
    DeviceError,
    ModelError,
    NonFiniteError,
    TuitrainError,
)
from tui_trainer.evaluate.memory import is_out_of_memory
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.store.atomic import replace_file, sweep_hidden
from tui_trainer.store.control import Inbox
from tui_trainer.store.dataset_versions import note_training
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.run_dataset import find_dataset_of, keep_spec
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.control import ControlDesk
from tui_trainer.train.hardware import look_for_anomalies, make_repeatable, set_threads
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.train.model import explain_compile_error, explain_recompute_error
from tui_trainer.train.precision import unpack_scaler
from tui_trainer.train.progress import Progress
from tui_trainer.train.resume import abandoned_lr_changes, restore
from tui_trainer.train.setup import Task, set_up
from tui_trainer.train.tensorboard import Board
from tui_trainer.train.trainer import Trainer
from tui_trainer.worker.code import load_code_of
from tui_trainer.worker.opening import (
    check_accepted,
    check_goes_on,
    notes_on_files,
    notes_on_room,
    notes_on_shared,
    notes_on_total,
    start_event,
)
from tui_trainer.worker.replay import explain_assert, is_device_assert
from tui_trainer.worker.rollback import Spans, roll_back


def train_run(
    job: TrainJob, writer: RunWriter, interrupts: Interrupts, threads: int, threads_choice: str
) -> events.Finished | events.Stopped:
    """Train the run of `job` to its end, logging to `writer`; the last event comes back."""
    set_threads(threads)
    make_repeatable(strictly=job.config.hardware.deterministic)
    look_for_anomalies(on=job.config.training.detect_anomaly or job.config.hardware.debug_cuda)
    left_out = writer.fold.snapshot.left_out if job.resume else ()
    while True:
        try:
            return _train_on(job, left_out, writer, interrupts, threads, threads_choice)
        except NonFiniteError as error:
            if job.config.training.non_finite != "rollback":
                raise
            left_out = roll_back(writer, left_out, error)
            # From here it is what a resume does, with those steps left out.
            job = msgspec.structs.replace(job, resume=True)


def _train_on(
    job: TrainJob,
    left_out: Spans,
    writer: RunWriter,
    interrupts: Interrupts,
    threads: int,
    threads_choice: str,
) -> events.Finished | events.Stopped:
    """Train from the newest checkpoint of a run that is resumed, else from its first step."""
    config = job.config
    before = writer.fold.snapshot
    checkpoint, notes = _newest_checkpoint(job) if job.resume else (None, [])
    notes += notes_on_files(writer.run, before) if job.resume else []
    code = load_code_of(job, say=lambda text: writer.emit(_warning(text)))
    spec = find_dataset_of(writer.run, Path(job.data_dir), config)
    prepare = functools.partial(
        set_up,
        data_dir=Path(job.data_dir),
        threads=threads,
        choices=[threads_choice],
        code=code,
        is_fresh=checkpoint is None,
        spec=spec,
        held_out_N=read_held_out(writer.run, hash_data(spec)) if job.resume else None,
    )
    task = prepare(config)
    progress, differences = Progress(left_out=left_out), list[Difference]()
    if checkpoint is not None:
        differences = restore(task, checkpoint)
        check_accepted(differences, job)
        notes += [f"{found.exactness}: {found.text}" for found in differences]
        progress = _progress_of(task, checkpoint, left_out)
    if not is_kept(writer.run, task.data_sha256):
        _keep_with_run(writer.run, Path(job.data_dir), task)
    notes += [*task.warnings, *notes_on_shared(task)]
    check_goes_on(task, progress, checkpoint, writer)
    notes += notes_on_total(before.epochs, config) + notes_on_room(task, writer.run)
    writer.emit(start_event(job, task, progress, differences))
    for note in notes:
        writer.emit(_warning(note))
    try:
        return _train(job, task, progress, code, writer, interrupts)
    except NonFiniteError:
        raise
    except Exception as error:
        if is_device_assert(error):
            step = progress.step + 1
            raise explain_assert(error, config, prepare, checkpoint, step, code) from error
        explanation = code.explain(error) or _explain(config, error)
        if explanation is None:
            raise
        raise explanation from error
    finally:
        task.close()


def _train(
    job: TrainJob,
    task: Task,
    progress: Progress,
    code: CodeLoader,
    writer: RunWriter,
    interrupts: Interrupts,
) -> events.Finished | events.Stopped:
    """Train what has been set up, with all that writes and listens meanwhile."""
    from_step = progress.step if job.resume else None
    changes = abandoned_lr_changes(_log_events(writer.run), progress.step) if job.resume else []
    tensorboard = writer.run / paths.TENSORBOARD
    board = Board(
        tensorboard,
        task.config.tensorboard,
        from_step=from_step,
        warn=lambda text: writer.emit(_warning(text)),
    )
    with closing(board):
        desk = ControlDesk(
            Inbox(writer.run),
            writer,
            interrupts,
            job.session,
            lr_changes=changes,
            stop_after_epoch_by=writer.fold.snapshot.stop_after_epoch_by,
        )
        trainer = Trainer(task, progress, writer, desk, board, writer.run / paths.CHECKPOINTS)
        ending = trainer.run()
    if task.config.training.smoke and isinstance(ending, events.Finished):
        # Here, as it takes ONNX with it: seconds that other runs need not wait for.
        from tui_trainer.worker.smoke import rehearse

        rehearse(job, task, code, writer)
    return ending


def _explain(config: RunConfig, error: Exception) -> TuitrainError | None:
    """A sentence for an error of PyTorch that has a known cause, else None."""
    if isinstance(error, RuntimeError) and is_out_of_memory(error):
        return DeviceError(
            "The device's memory ran out outside of the passes through the model.",
            "Use a smaller model, another --optimizer or another --device.",
        )
    if "more than 1 value per channel" in str(error):
        return ModelError(
            "Batch norm was given a single sample, and cannot learn from it.",
            "Choose another --batch-size; where memory ran out before, a smaller model.",
        )
    explanation = None
    if config.hardware.activation_checkpointing:
        explanation = explain_recompute_error(error)
    if config.hardware.compile and explanation is None:
        explanation = explain_compile_error(error)
    if explanation is not None:
        return explanation
    if config.hardware.deterministic and "deterministic" in str(error):
        return DeviceError(
            f"The model cannot be trained deterministically: {str(error).splitlines()[0]}",
            "Leave --deterministic out.",
        )
    return None


def _keep_with_run(run: Path, data_dir: Path, task: Task) -> None:
    """Keep what the run's weights mean nothing without: its classes, its split, its vocabulary."""
    note_training(data_dir, task.spec)
    keep_spec(run, task.spec)
    save_parts(run, task.parts, task.data_sha256)
    if paths.VOCABULARY in task.spec.files:
        replace_file(run / paths.VOCABULARY, load_file(data_dir, task.spec, paths.VOCABULARY))


def _warning(text: str) -> events.Message:
    return events.Message(text=text, level="warning")


def _newest_checkpoint(job: TrainJob) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint of the run, if there is one, and notes for the log."""
    checkpoints = Path(job.run_path) / paths.CHECKPOINTS
    sweep_hidden(checkpoints)
    checkpoint, notes = read_newest(checkpoints)
    if checkpoint is None:
        notes.append("no checkpoint yet: training begins at step 0")
    return checkpoint, notes


def _progress_of(task: Task, checkpoint: Checkpoint, left_out: Spans) -> Progress:
    """Where training stands at a checkpoint that has been put into `task`."""
    state = checkpoint.state
    if task.precision.scaler is not None and state.scaler is not None:
        unpack_scaler(task.precision.scaler, state.scaler)
    return Progress(
        step=state.step,
        lr_scale=state.lr_scale,
        best=state.best,
        totals=msgspec.structs.replace(state.totals),
        plateau=state.plateau,
        micro_batch=state.micro_batch,
        saved=state,
        left_out=left_out,
    )


def _log_events(run: Path) -> Iterator[events.Event]:
    reader = EventLogReader(run / paths.EVENTS)
    while True:
        batch = reader.read()
        yield from batch.events
        if batch.at_end:
            return
