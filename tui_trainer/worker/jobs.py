"""The jobs of a worker other than training: short, and watched by whoever asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tui_trainer import paths
from tui_trainer.core.code_names import compare_code
from tui_trainer.core.config import HardwareConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.jobs import EvaluateJob, ExportJob, JobResult, PrepareJob, success
from tui_trainer.imports import without_collection
from tui_trainer.store.datasets import dataset_bytes
from tui_trainer.store.job_folder import ProgressLog
from tui_trainer.worker.allocator import keep_freed_memory
from tui_trainer.worker.threads import choose_threads

_TOLD_EVERY_S = 0.1


def prepare(job: PrepareJob, progress: ProgressLog) -> JobResult:
    """Prepare a dataset."""
    from tui_trainer.data.prepare import prepare_dataset

    since = time.perf_counter()
    downloads = ProgressReport(progress, "bytes")
    spec = prepare_dataset(
        Path(job.data_dir),
        job.reference,
        job.preparation,
        originals=Path(job.originals) if job.originals else None,
        again=job.again,
        load_items=lambda name: _load_samples(job, name, progress),
        say=progress.say,
        report=ProgressReport(progress, "samples").tell,
        report_download=downloads.tell,
    )
    return success(
        {
            "dataset": spec.name,
            "reference": job.reference,
            "kind": spec.kind,
            "task": spec.task,
            "origin": spec.origin,
            "counts": {split: part.count for split, part in spec.splits.items()},
            "classes": len(spec.classes),
            "skipped": spec.skipped_count,
            "shared": spec.shared_count,
            "bytes": dataset_bytes(spec),
            "path": str(Path(job.data_dir) / spec.name),
            "duration_s": round(time.perf_counter() - since, 3),
        }
    )


def _load_samples(job: PrepareJob, name: str, progress: ProgressLog) -> Any:
    from tui_trainer.worker.code import load_samples

    return load_samples(job, name, say=progress.say)


class ProgressReport:
    """Tells of work done, not more often than anybody looks."""

    def __init__(self, progress: ProgressLog, unit: str) -> None:
        self._progress, self._unit = progress, unit
        self._told_at, self._total = float("-inf"), -1

    def tell(self, done: int, total: int, what: str = "") -> None:
        """So much of it is done, of `what`."""
        now = time.monotonic()
        if now - self._told_at < _TOLD_EVERY_S and 0 < done < total and total == self._total:
            return
        self._told_at, self._total = now, total
        self._progress.say(what, done=done, total=total, unit=self._unit)


def evaluate(job: EvaluateJob, progress: ProgressLog) -> JobResult:
    """Judge a checkpoint on a split and write the report."""
    _settle_process(job)
    with without_collection():
        from tui_trainer.evaluate.metrics import judge
        from tui_trainer.evaluate.report import make_report, write_report

    progress.say("loading the checkpoint and the data")
    judged = _load_judged(job, job.device, progress)
    batches = judged.batches(job.split)
    progress.say(f"judging {format_count(len(batches))} samples")
    since = time.perf_counter()
    with batches:
        judgement = judge(judged.model, batches.in_order(), judged.criteria)
    duration_s = time.perf_counter() - since
    run = Path(job.run_path)
    step = judged.checkpoint.state.step
    identity = {
        "run": run.name,
        "checkpoint": judged.checkpoint.folder,
        "step": step,
        "split": job.split,
        "device": str(batches.device),
        "duration_s": round(duration_s, 4),
    }
    report = identity | make_report(judgement, judged.spec)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"step-{step:08}-{job.split}-{stamp}"
    file = write_report(run / paths.EVALUATIONS, name, report)
    return success(report | {"report": str(file)})


def export(job: ExportJob, progress: ProgressLog) -> JobResult:
    """Write and verify an ONNX file."""
    _settle_process(job)
    with without_collection():
        from tui_trainer.export.onnx import export_onnx
        from tui_trainer.export.parity import NUM_COMPARED

    progress.say("loading the checkpoint and the data")
    judged = _load_judged(job, "cpu", progress)
    value = export_onnx(
        judged.model,
        judged.spec,
        judged.stored_inputs("test", NUM_COMPARED),
        Path(job.output),
        facts={
            "run": Path(job.run_path).name,
            "checkpoint": judged.checkpoint.folder,
            "manifest_sha256": judged.checkpoint.manifest_sha256,
            "model": job.config.model.name,
        },
        say=progress.say,
    )
    return success(value)


def _settle_process(job: EvaluateJob | ExportJob) -> None:
    choose_threads(job.config.hardware.threads)
    keep_freed_memory()


def _load_judged(job: EvaluateJob | ExportJob, device: str, progress: ProgressLog) -> Any:
    from tui_trainer.checkpoints.layout import list_steps
    from tui_trainer.checkpoints.read import best_step_of
    from tui_trainer.evaluate.load import load_judged
    from tui_trainer.train.hardware import choose_device
    from tui_trainer.worker.code import load_code_of

    run = Path(job.run_path)
    code = load_code_of(job, say=progress.say)
    best_step = best_step_of(run / paths.CHECKPOINTS, progress.say)
    is_undecided = best_step is None and bool(list_steps(run / paths.CHECKPOINTS))
    if job.checkpoint == "best" and is_undecided:
        progress.say("no validation has chosen a best checkpoint: taking the last")
    judged = load_judged(
        run / paths.CHECKPOINTS,
        job.checkpoint,
        best_step=best_step,
        config=job.config,
        data_dir=Path(job.data_dir),
        device=choose_device(HardwareConfig(device=device))[0],
        code=code,
    )
    for difference in compare_code(judged.checkpoint.state.code, code.hashes):
        progress.say(difference)
    if judged.has_other_data:
        progress.say(f"{job.config.data.dataset} is not as it was when this was trained")
    return judged
