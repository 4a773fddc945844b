"""What a damaged file does to its readers: they say so, or read what was written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import plan
from tests.faults.file_damage import damage, naming
from tests.faults.finished_run import DATASET, FinishedRun, fill_folder
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import Checkpoint, best_step_of, read_checkpoint, read_newest
from tui_trainer.core.run_record import Annotations
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import CheckpointError, DatasetError, StorageError, WorkerError
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.control import Inbox
from tui_trainer.store.datasets import read_spec
from tui_trainer.store.job_folder import read_job, read_result
from tui_trainer.store.run_folder import (
    changed_since_start,
    has_damaged_annotations,
    read_annotations,
    read_environment,
    read_fold,
)

DETECTED = object()
"""Stands for a damage that the reader told of, in a way that is documented."""

Look = Callable[[FinishedRun, Path], object]
"""What a reader makes of a file, in a form that can be compared, or DETECTED."""


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, prepare_once: Callable[..., Path]
) -> FinishedRun:
    """A finished run whose files may be damaged, if they are mended again."""
    root = tmp_path_factory.mktemp("finished")
    shutil.copytree(prepare_once("finished-run", fill_folder), root, dirs_exist_ok=True)
    return FinishedRun(root)


def _recorded(run: FinishedRun, file: Path, read: Callable[[Path], object]) -> object:
    """A file whose hash is in the log: damage is named, whether it can be read or not."""
    changed = changed_since_start(run.path, read_fold(run.path).snapshot)
    try:
        value = read(run.path)
    except StorageError:
        assert changed
        return DETECTED
    if not changed:
        return value
    assert changed == (file.name,)
    return DETECTED


def _look_at_config(run: FinishedRun, file: Path) -> object:
    return _recorded(run, file, read_config)


def _look_at_environment(run: FinishedRun, file: Path) -> object:
    return _recorded(run, file, read_environment)


def _look_at_fold(run: FinishedRun, file: Path) -> object:
    # Whatever becomes of the summary, the log says the same.
    return read_fold(run.path)


def _look_at_annotations(run: FinishedRun, file: Path) -> object:
    value = read_annotations(run.path)
    if not has_damaged_annotations(run.path):
        return value
    assert value == Annotations()
    return DETECTED


def _look_at_requests(run: FinishedRun, file: Path) -> object:
    (asked,) = Inbox(run.path).take()
    if asked.request != "unknown":
        return asked
    # Whoever waits for it is answered.
    assert file.name == f"{asked.session}-{asked.id}.json"
    return DETECTED


def _look_at_job(run: FinishedRun, file: Path) -> object:
    try:
        return read_job(file.parent)
    except WorkerError:
        return DETECTED


def _look_at_result(run: FinishedRun, file: Path) -> object:
    return read_result(file.parent) or DETECTED


def _look_at_manifest_of_data(run: FinishedRun, file: Path) -> object:
    try:
        return read_spec(run.data_dir, DATASET)
    except DatasetError:
        return DETECTED


def _look_at_array(run: FinishedRun, file: Path) -> object:
    split = file.name.partition("-")[0]
    try:
        # Bytes: an array stays mapped from its file, and would see the next damage to it.
        return [(a.shape, a.dtype, a.tobytes()) for a in load_split(run.data_dir, DATASET, split)]
    except DatasetError:
        return DETECTED


def _look_at_checkpoint(run: FinishedRun, file: Path) -> object:
    best = best_step_of(run.checkpoints)
    try:
        return best, _values(read_checkpoint(file.parent))
    except CheckpointError:
        return DETECTED


def _values(checkpoint: Checkpoint) -> list[Any]:
    """All that training goes on from. The hash of a manifest is of its bytes, as they are."""
    packed = (checkpoint.model, checkpoint.optimizer_tensors, checkpoint.averaged or {})
    bodies = [{name: value.numpy().tobytes() for name, value in part.items()} for part in packed]
    return [checkpoint.folder, checkpoint.state, checkpoint.optimizer, *bodies]


_FILES: dict[str, Look] = {
    "runs/run1/config.toml": _look_at_config,
    "runs/run1/environment.json": _look_at_environment,
    "runs/run1/summary.json": _look_at_fold,
    "runs/run1/annotations.json": _look_at_annotations,
    "runs/run1/control/*.json": _look_at_requests,
    "runs/run1/job/job.json": _look_at_job,
    "runs/run1/job/result.json": _look_at_result,
    "runs/run1/checkpoints/*/model.safetensors": _look_at_checkpoint,
    "runs/run1/checkpoints/*/averaged.safetensors": _look_at_checkpoint,
    "runs/run1/checkpoints/*/optimizer.safetensors": _look_at_checkpoint,
    "runs/run1/checkpoints/*/optimizer.json": _look_at_checkpoint,
    "runs/run1/checkpoints/*/state.json": _look_at_checkpoint,
    "runs/run1/checkpoints/*/manifest.json": _look_at_checkpoint,
    "data/mnist/dataset.json": _look_at_manifest_of_data,
    "data/mnist/train-inputs.npy": _look_at_array,
    "data/mnist/train-labels.npy": _look_at_array,
    "data/mnist/test-inputs.npy": _look_at_array,
    "data/mnist/test-labels.npy": _look_at_array,
}
_DAMAGES_OF_EACH = plan.BIT_FLIPS * 7 // 10 // len(_FILES)
_DAMAGES_OF_A_RESUME = plan.BIT_FLIPS // 50


@pytest.mark.parametrize("pattern", _FILES)
def test_damage_to_a_file_is_told_or_changes_nothing(finished: FinishedRun, pattern: str) -> None:
    *_, file = sorted(finished.root.glob(pattern))
    look, whole = _FILES[pattern], file.read_bytes()
    intact = look(finished, file)
    assert intact is not DETECTED
    num_detected = 0
    try:
        for damaged in damage(whole, _DAMAGES_OF_EACH, pattern):
            file.write_bytes(damaged.content)
            with naming(file, damaged):
                value = look(finished, file)
                assert value is DETECTED or value == intact
            num_detected += value is DETECTED
    finally:
        file.write_bytes(whole)
    assert look(finished, file) == intact
    # The summary alone can be done without.
    assert num_detected > _DAMAGES_OF_EACH / 2 or look is _look_at_fold


@pytest.mark.parametrize("part", ["model.safetensors", "state.json", "manifest.json"])
def test_a_resume_goes_on_from_the_newest_checkpoint_that_is_as_it_was_written(
    finished: FinishedRun, tmp_path: Path, part: str
) -> None:
    *_, before, newest = (finished.checkpoints / folder_name(step) for step in finished.steps)
    values = {folder.name: _values(read_checkpoint(folder)) for folder in (before, newest)}
    whole = (newest / part).read_bytes()
    for number, damaged in enumerate(damage(whole, _DAMAGES_OF_A_RESUME, f"resume {part}")):
        copy = tmp_path / f"{number}"
        shutil.copytree(finished.checkpoints, copy)
        (copy / newest.name / part).write_bytes(damaged.content)
        with naming(newest / part, damaged):
            checkpoint, said = read_newest(copy)
            assert checkpoint is not None
            assert _values(checkpoint) == values[checkpoint.folder]
            is_set_aside = (copy / f"damaged-{newest.name}").is_dir()
            assert is_set_aside == (checkpoint.folder == before.name) == (len(said) == 1)
            assert is_set_aside or part == "manifest.json"
        shutil.rmtree(copy)
