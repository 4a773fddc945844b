"""What follows a short trial run: every later phase once, so that none fails after a long one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tui_trainer import paths
from tui_trainer.checkpoints.read import best_step_of, read_newest
from tui_trainer.core import events
from tui_trainer.core.config import HardwareConfig
from tui_trainer.core.job_reports import describe_agreement
from tui_trainer.core.jobs import TrainJob
from tui_trainer.errors import CheckpointNotFoundError
from tui_trainer.evaluate.load import load_judged
from tui_trainer.evaluate.metrics import judge
from tui_trainer.export.onnx import export_onnx
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.hardware import choose_device
from tui_trainer.train.resume import restore
from tui_trainer.train.setup import Task, set_up

_NUM_EXPORTED = 64


def rehearse(job: TrainJob, trained: Task, code: CodeLoader, writer: RunWriter) -> None:
    """Resume, judge and export the run of `job`, which has just been trained, and tell of each.

    Raises:
        TuitrainError: a phase failed.
    """
    run = Path(job.run_path)
    # What follows is no training, and takes longer than all of it.
    writer.clock.pause()
    _resume(job, trained, code)
    _tell(writer, "resume: the last checkpoint was put back into a fresh model and optimizer")
    judged = load_judged(
        run / paths.CHECKPOINTS,
        "last",
        best_step=best_step_of(run / paths.CHECKPOINTS),
        config=job.config,
        data_dir=Path(job.data_dir),
        device=choose_device(HardwareConfig(device="cpu"))[0],
        code=code,
    )
    with judged.batches("test") as batches:
        judgement = judge(judged.model, islice(batches.in_order(), 1), judged.criteria)
    _tell(writer, f"eval: loss {judgement.loss:.4g} on {judgement.count} test samples")
    value = export_onnx(
        judged.model,
        judged.spec,
        judged.stored_inputs("test", _NUM_EXPORTED),
        run / paths.EXPORTS / "model.onnx",
        facts={"run": run.name, "checkpoint": judged.checkpoint.folder},
        say=lambda text: None,
    )
    parity = value["parity"]
    within = f"outputs within {parity['max_abs_diff']:.1e}"
    said = ", ".join(filter(None, (describe_agreement(parity), within)))
    _tell(writer, f"export-onnx: {said}, of {parity['samples']} samples")


def _resume(job: TrainJob, trained: Task, code: CodeLoader) -> None:
    """Set the run up anew from its last checkpoint."""
    checkpoint, _ = read_newest(Path(job.run_path) / paths.CHECKPOINTS)
    if checkpoint is None:
        raise CheckpointNotFoundError(
            "The trial run left no checkpoint to resume from.", "Look for warnings in its log."
        )
    task = set_up(
        job.config,
        Path(job.data_dir),
        threads=trained.threads,
        choices=[],
        code=code,
        is_fresh=False,
        spec=trained.spec,
    )
    try:
        restore(task, checkpoint)
    finally:
        task.close()


def _tell(writer: RunWriter, text: str) -> None:
    writer.emit(events.Message(text=f"smoke: {text}"))
