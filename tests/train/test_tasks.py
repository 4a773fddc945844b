"""Classes, several labels and targets are learnt by real runs, told by their logs and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
from sklearn import datasets

from tests.prepared import save_prepared
from tests.tasks import make_stepper, make_task, own_code, take_step
from tests.train.runs import Runs, assert_same_run, evaluations, live_steps, read_log
from tui_trainer.core import events
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.core.config import LossConfig
from tui_trainer.core.run_state import RunSnapshot, apply
from tui_trainer.data.prepare import prepare_dataset
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import ConfigError, ExactnessError
from tui_trainer.evaluate.load import load_judged
from tui_trainer.evaluate.metrics import judge
from tui_trainer.evaluate.report import make_report
from tui_trainer.export.onnx import export_onnx
from tui_trainer.store.run_folder import RunFolder

_PROPERTIES = DatasetEntry(
    name="digit-properties",
    title="digits, of which three things can be said",
    kind="image",
    shape=(1, 8, 8),
    classes=("even", "above four", "with a loop"),
    task="multilabel",
    train_count=1400,
    test_count=397,
    origin="scikit-learn",
    default_model="convnet",
)


def _prepare_properties(data_dir: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(DATASETS, _PROPERTIES.name, _PROPERTIES)
    images, digits = datasets.load_digits(return_X_y=True)
    images_NCHW = images.reshape(-1, 1, 8, 8).astype(np.uint8)
    has_loop = np.isin(digits, [0, 6, 8, 9])
    labels_NK = np.stack([digits % 2 == 0, digits > 4, has_loop], axis=1).astype(np.uint8)
    count = _PROPERTIES.train_count
    arrays = {
        "train": (images_NCHW[:count], labels_NK[:count]),
        "test": (images_NCHW[count:], labels_NK[count:]),
    }
    save_prepared(data_dir, _PROPERTIES, arrays)


def _snapshot(run: RunFolder) -> RunSnapshot:
    snapshot = RunSnapshot()
    for event in read_log(run):
        snapshot = apply(snapshot, event)
    return snapshot


def _small(dataset: str, **settings: Any) -> dict[str, Any]:
    return {"data__dataset": dataset, "data__batch_size": 16, "training__epochs": 20} | settings


@pytest.mark.parametrize(
    ("dataset", "least"), [("iris", 0.85), ("wine", 0.9), ("breast-cancer", 0.93)]
)
def test_classes_are_learnt(runs: Runs, dataset: str, least: float) -> None:
    prepare_dataset(runs.data_dir, dataset)
    run = runs.finish(**_small(dataset))
    snapshot = _snapshot(run)
    assert snapshot.metric == "accuracy"
    assert snapshot.best is not None and snapshot.best.metric == "accuracy"
    assert snapshot.last["test"]["accuracy"] >= least
    is_binary = len(DATASETS[dataset].classes) == 2
    assert ("auc" in snapshot.last["test"]) == ("f1" in snapshot.last["test"]) == is_binary
    if is_binary:
        assert snapshot.last["test"]["auc"] > 0.95


def test_a_number_is_learnt(runs: Runs) -> None:
    prepare_dataset(runs.data_dir, "diabetes")
    run = runs.finish(**_small("diabetes", data__batch_size=32))
    snapshot = _snapshot(run)
    test = snapshot.last["test"]
    assert test["r2"] > 0.35
    assert 40 < test["rmse"] < 65 and test["mae"] < test["rmse"]
    # The best is the one with the least error on the validation part.
    judged = evaluations(run, "validation")
    best = min(judged, key=lambda step: (judged[step]["rmse"], judged[step]["loss"]))
    assert snapshot.best is not None
    assert (snapshot.best.metric, snapshot.best.step) == ("rmse", best)
    assert snapshot.last["train"].keys() == {"loss"}
    assert all(event.accuracy == () for event in read_log(run) if isinstance(event, events.Steps))
    started = next(e for e in read_log(run) if isinstance(e, events.RunStarted))
    assert started.metric == "rmse"


def test_several_labels_are_learnt(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    _prepare_properties(runs.data_dir, monkeypatch)
    settings = _small(_PROPERTIES.name, training__epochs=4, data__batch_size=64)
    run = runs.finish(**settings, optimizer__lr=0.01)
    snapshot = _snapshot(run)
    assert snapshot.best is not None and snapshot.best.metric == snapshot.metric == "f1"
    # Saying what most digits are would be right of one in eight.
    assert snapshot.last["test"]["accuracy"] > 0.75
    assert snapshot.last["test"]["f1"] > 0.9
    assert snapshot.last["train"]["accuracy"] > 0.75


def test_a_regression_is_resumed_to_the_bit(runs: Runs) -> None:
    prepare_dataset(runs.data_dir, "diabetes")
    settings = _small("diabetes", training__epochs=3, optimizer__accumulate=2)
    whole = runs.finish(**settings)
    folder, config = runs.create(**settings)
    runs.train(folder, config, stop_at=13)
    runs.train(folder, config, resume=True)
    steps = max(live_steps(whole))
    assert steps > 13
    assert_same_run(whole, folder, steps)


def test_naming_the_loss_that_auto_stands_for_changes_nothing(runs: Runs) -> None:
    prepare_dataset(runs.data_dir, "diabetes")
    settings = _small("diabetes", training__epochs=2)
    folder, config = runs.create(**settings)
    assert config.loss.name == "auto"
    runs.train(folder, config, stop_at=5)
    named = msgspec.structs.replace(config, loss=LossConfig(name="mse"))
    # Anything that matters would have to be accepted.
    runs.train(folder, named, resume=True)
    other = msgspec.structs.replace(config, loss=LossConfig(name="mae"))
    with pytest.raises(ExactnessError, match=r"loss\.name changed from 'mse' to 'mae'"):
        runs.train(folder, other, resume=True)


@pytest.mark.parametrize("name", ["mse", "huber", "mae"])
def test_a_batch_in_parts_teaches_the_same(tmp_path: Path, name: str) -> None:
    prepare_dataset(tmp_path, "diabetes")
    norms = []
    for micro_batch in (0, 7):
        task = make_task(tmp_path, **_small("diabetes", loss__name=name), model__name="mlp")
        stepper = make_stepper(task, micro_batch=micro_batch)
        batch = next(task.train.shuffled(0, 0))
        figures = take_step(stepper, batch, step=1, lr=0.0)
        assert figures.correct is None
        norms.append(torch.stack([figures.loss, figures.grad_norm]))
    torch.testing.assert_close(*norms)


@pytest.mark.parametrize(
    ("dataset", "settings", "said"),
    [
        ("diabetes", {"loss__name": "cross-entropy"}, "numbers to predict"),
        ("wine", {"loss__name": "mae"}, "one class for each sample"),
        ("diabetes", {"loss__label_smoothing": 0.1}, "label_smoothing is for"),
    ],
)
def test_a_loss_for_other_labels_is_refused_before_training(
    tmp_path: Path, dataset: str, settings: dict[str, Any], said: str
) -> None:
    prepare_dataset(tmp_path, dataset)
    with pytest.raises(ConfigError, match=said):
        make_task(tmp_path, **_small(dataset, **settings))


@pytest.mark.parametrize(
    ("dataset", "output"), [("diabetes", "predictions"), (_PROPERTIES.name, "logits")]
)
def test_what_is_judged_is_what_is_exported(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, output: str
) -> None:
    if dataset == _PROPERTIES.name:
        _prepare_properties(runs.data_dir, monkeypatch)
    else:
        prepare_dataset(runs.data_dir, dataset)
    folder, config = runs.create(**_small(dataset, training__epochs=2))
    runs.train(folder, config)
    judged = load_judged(
        folder.checkpoints,
        "last",
        best_step=None,
        config=config,
        data_dir=runs.data_dir,
        device=torch.device("cpu"),
        code=own_code(tmp_path, config),
    )
    with judged.batches("test") as batches:
        report = make_report(judge(judged.model, batches.in_order(), judged.criteria), judged.spec)
    file = tmp_path / "model.onnx"
    inputs, labels = load_split(runs.data_dir, judged.spec.name, "test")
    value = export_onnx(judged.model, judged.spec, inputs, file, facts={}, say=lambda text: None)
    (found,) = onnxruntime.InferenceSession(file).run([output], {value["input"]["name"]: inputs})
    assert value["output"]["shape"] == ["batch", judged.spec.num_outputs]
    assert value["parity"]["top1_agreement"] is None
    facts = json.loads(file.with_suffix(".json").read_text())
    assert (facts["task"], facts["classes"], facts["targets"]) == (
        judged.spec.task,
        list(judged.spec.classes),
        list(judged.spec.targets),
    )
    if output == "predictions":
        rmse = np.sqrt(((found - labels) ** 2).mean())
        assert report["rmse"] == pytest.approx(rmse, rel=1e-4)
    else:
        assert report["accuracy"] == pytest.approx(((found > 0) == labels).all(axis=1).mean())
        assert value["parity"]["label_agreement"] == 1.0
