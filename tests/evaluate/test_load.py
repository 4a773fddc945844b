"""A checkpoint becomes a model to judge, with the data and the criteria of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from tests.tasks import MARKERS, make_task, own_code, prepare_kind
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, TrainingState
from tui_trainer.checkpoints.write import save_checkpoint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.specs import Kind
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import CheckpointError, DatasetError
from tui_trainer.evaluate.load import JudgedModel, load_judged
from tui_trainer.evaluate.metrics import judge
from tui_trainer.models import torchvision_weights
from tui_trainer.train.setup import Task

_DATASETS: dict[Kind, tuple[str, str]] = {
    "image": ("mnist", "mlp"),
    "table": ("wine", "tabular-mlp"),
    "tokens": (MARKERS.name, "text-bag"),
}


def _save(folder: Path, task: Task, averaged: Any = None) -> None:
    state = TrainingState(
        step=7,
        steps_per_epoch=task.steps_per_epoch,
        lr_scale=1.0,
        best=None,
        totals=EpochTotals(loss=0.0, correct=0.0, count=0),
        fingerprint=task.fingerprint,
        average_count=0 if averaged is None else 1,
    )
    save_checkpoint(
        folder / "checkpoints", take_snapshot(task.model, task.optimizer, state, averaged)
    )


def _load(folder: Path, config: RunConfig) -> JudgedModel:
    return load_judged(
        folder / "checkpoints",
        "last",
        best_step=None,
        config=config,
        data_dir=folder,
        device=torch.device("cpu"),
        code=own_code(folder, config),
    )


@pytest.fixture(params=_DATASETS)
def task(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task of each kind of data, its checkpoint saved."""
    prepare_kind(tmp_path, request.param, monkeypatch)
    dataset, model = _DATASETS[request.param]
    task = make_task(tmp_path, data__dataset=dataset, model__name=model, data__batch_size=16)
    _save(tmp_path, task)
    return task


def test_the_model_judges_as_it_did_when_it_was_saved(tmp_path: Path, task: Task) -> None:
    judged = _load(tmp_path, task.config)
    assert not judged.has_other_data
    before = judge(task.model, task.test.in_order(), task.criteria)
    with judged.batches("test") as batches:
        after = judge(judged.model, batches.in_order(), judged.criteria)
    assert np.array_equal(before.loss_N, after.loss_N)
    assert before.metrics == after.metrics


def test_the_splits_are_those_of_the_run(tmp_path: Path, task: Task) -> None:
    judged = _load(tmp_path, task.config)
    spec = judged.spec
    train, validation, test = (
        judged.stored_inputs(split, 1000) for split in ("train", "validation", "test")
    )
    assert len(train) + len(validation) == spec.splits["train"].count
    assert task.validation is not None
    assert (len(train), len(validation)) == (len(task.train), len(task.validation))
    assert np.array_equal(test, load_split(tmp_path, spec.name, "test")[0][:])
    for split, stored in (("train", train), ("validation", validation), ("test", test)):
        with judged.batches(split) as batches:
            assert len(batches) == len(stored)


def test_averaged_weights_are_judged_where_there_are_some(tmp_path: Path, task: Task) -> None:
    averaged = {name: torch.zeros_like(t) for name, t in task.model.state_dict().items()}
    for folder in (tmp_path / "checkpoints").iterdir():
        folder.rename(tmp_path / "older")
    _save(tmp_path, task, averaged)
    judged = _load(tmp_path, task.config)
    assert all(not parameter.any() for parameter in judged.model.parameters())


def test_without_a_held_out_part_there_is_none_to_judge(tmp_path: Path, task: Task) -> None:
    data = msgspec.structs.replace(task.config.data, validation=0.0)
    judged = _load(tmp_path, msgspec.structs.replace(task.config, data=data))
    with pytest.raises(DatasetError, match="nothing out"):
        judged.stored_inputs("validation", 1000)


def test_a_checkpoint_of_another_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_kind(tmp_path, "image", monkeypatch)
    task = make_task(tmp_path, model__name="mlp")
    _save(tmp_path, task)
    other = msgspec.structs.replace(
        task.config, model=msgspec.structs.replace(task.config.model, name="convnet")
    )
    with pytest.raises(CheckpointError, match="does not fit the model convnet"):
        _load(tmp_path, other)


def test_nothing_is_downloaded_to_judge_a_model_that_began_pretrained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_kind(tmp_path, "image", monkeypatch)
    task = make_task(tmp_path, model__name="torchvision:squeezenet1_1")
    _save(tmp_path, task)
    monkeypatch.setattr(torchvision_weights, "load_trained", pytest.fail)
    model = msgspec.structs.replace(task.config.model, pretrained=True)
    judged = _load(tmp_path, msgspec.structs.replace(task.config, model=model))
    assert judged.model.training is False
