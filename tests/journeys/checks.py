"""What every journey ends in: the checks of a run's judgement, export and TensorBoard files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.command import RUN_FIELDS, Home

_EVAL_FIELDS = {"run", "checkpoint", "step", "split", "count", "loss", "accuracy", "report"}
_EXPORT_FIELDS = {"run", "checkpoint", "path", "sha256", "opset", "bytes", "parity"}


def check_finished(shown: dict[str, Any], *, dataset: str, test_accuracy: float) -> None:
    """`runs show --json` of a run that has ended well."""
    assert shown.keys() >= RUN_FIELDS
    assert (shown["state"], shown["dataset"], shown["device"]) == ("finished", dataset, "cpu")
    assert shown["step"] == shown["steps"] > 0
    assert shown["epoch"] == shown["epochs"] > 0
    assert shown["last"]["test"]["accuracy"] >= test_accuracy
    assert shown["last"].keys() == {"train", "validation", "test"}
    assert Path(shown["path"]).is_absolute()


def check_judged(home: Home, shown: dict[str, Any], *, test_count: int) -> None:
    """`eval` agrees with what the run itself found, and its report is on disk."""
    report = home.json("eval", shown["run"])
    assert report.keys() >= _EVAL_FIELDS
    assert (report["run"], report["split"], report["count"]) == ("run1", "test", test_count)
    assert abs(report["accuracy"] - shown["last"]["test"]["accuracy"]) < 1e-9
    assert abs(report["loss"] - shown["last"]["test"]["loss"]) < 1e-4
    assert (Path(shown["path"]) / "checkpoints" / report["checkpoint"]).is_dir()
    if shown["best"] is not None:
        assert report["step"] == shown["best"]["step"]
    assert Path(report["report"]).is_absolute()
    assert Path(report["report"]).is_file()


def check_exported(home: Home, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
    """`export-onnx` writes a file that any ONNX runtime can use, on batches of any size."""
    export = home.json("export-onnx", "1")
    assert export.keys() >= _EXPORT_FIELDS
    file = Path(export["path"])
    assert file == home.run() / "exports" / "model.onnx"
    content = file.read_bytes()
    assert len(content) == export["bytes"]
    assert hashlib.sha256(content).hexdigest() == export["sha256"]
    assert export["parity"]["samples"] > 0
    assert export["parity"]["max_abs_diff"] < 1e-3
    assert export["parity"]["top1_agreement"] >= 0.999
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for size in (1, 2, 7):
        (scores,) = session.run(None, {name: images[:size]})
        assert scores.shape == (size, 10)
        assert np.isfinite(scores).all()
    (scores,) = session.run(None, {name: images})
    assert (scores.argmax(axis=1) == labels).mean() >= 0.9


def check_tensorboard(home: Home, shown: dict[str, Any]) -> None:
    """TensorBoard's own reader finds the run's curves, with the last figures at the end."""
    board = EventAccumulator(str(home.run() / "tensorboard"))
    board.Reload()
    tags = set(board.Tags()["scalars"])
    assert tags >= {"loss/step", "grad_norm", "lr", "samples_per_s", "loss/train", "accuracy/test"}
    for split in [split for split in ("train", "validation") if shown["last"][split]]:
        points = board.Scalars(f"accuracy/{split}")
        assert [point.step for point in points] == sorted({point.step for point in points})
        assert abs(points[-1].value - shown["last"][split]["accuracy"]) < 1e-6
    assert board.Scalars("loss/step")[-1].step == shown["step"]


def check_dashboard_on(home: Home, shown: dict[str, Any]) -> None:
    """The dashboard opens on the ended run and shows how it ended; `q` leads back and out."""
    terminal = home.open("dashboard", shown["run"])
    accuracy = f"{shown['last']['test']['accuracy']:.4f}"
    terminal.wait_for(shown["name"] or shown["run"], "finished", accuracy)
    terminal.send("q")
    terminal.wait_for(r"1 run · 0 live", r"▸ +✓ finished +run1")
    terminal.send("q")
    assert terminal.finish() == 0
