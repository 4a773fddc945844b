"""Exported files say what the model says, or are not published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from tests.tasks import prepare_kind, prepare_stripes
from tui_trainer.core.catalog import MODELS, find_model
from tui_trainer.core.config.model import ModelConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import ExportError
from tui_trainer.export import onnx as module
from tui_trainer.export.onnx import export_onnx
from tui_trainer.models.build import build_model

# The names of ours, and one of torchvision's that goes deep.
_NAMES = [*MODELS, "torchvision:resnet18"]


def _build(name: str, spec: DatasetSpec, seed: int = 0) -> nn.Module:
    return build_model(ModelConfig(name=name), spec, seed)[0]


def _export(data_dir: Path, model: nn.Module, spec: DatasetSpec, output: Path) -> dict[str, Any]:
    inputs = load_split(data_dir, spec.name, "test")[0][:]
    facts = {"run": "run1", "checkpoint": "step-00000001"}
    return export_onnx(model, spec, inputs, output, facts=facts, say=lambda text: None)


def _normalized(spec: DatasetSpec, inputs: Any) -> torch.Tensor:
    """The arithmetic of training's normalisation, written out once more."""
    if spec.kind == "tokens":
        return torch.from_numpy(inputs.astype(np.int64))
    shape = (-1, 1, 1) if spec.kind == "image" else (-1,)
    mean, std = np.array(spec.mean).reshape(shape), np.array(spec.std).reshape(shape)
    return torch.from_numpy(((inputs - mean) / std).astype(np.float32))


_INPUTS = {
    "image": ("image", "uint8", [1, 28, 28]),
    "table": ("features", "float32", [13]),
    "tokens": ("tokens", "int64", ["length"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_every_model_is_exported_with_a_free_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spec = prepare_kind(tmp_path, find_model(name).kinds[0], monkeypatch)
    model = _build(name, spec).eval()
    value = _export(tmp_path, model, spec, tmp_path / "out" / "model.onnx")
    inputs = load_split(tmp_path, spec.name, "test")[0][:]
    input_name, dtype, shape = _INPUTS[spec.kind]
    assert value["input"] == {"name": input_name, "dtype": dtype, "shape": ["batch", *shape]}
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    for batch in (1, 2, 7, len(inputs)):
        part = np.ascontiguousarray(inputs[:batch]).astype(dtype)
        (logits,) = session.run(None, {input_name: part})
        with torch.inference_mode():
            expected = model(_normalized(spec, part)).numpy()
        assert logits.shape == (batch, len(spec.classes))
        assert np.allclose(logits, expected, atol=1e-4)
    assert value["opset"] == 20
    assert value["parity"]["samples"] == len(inputs)
    assert value["parity"]["top1_agreement"] == 1.0
    facts = json.loads((tmp_path / "out" / "model.json").read_text())
    assert facts["sha256"] == value["sha256"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "model.json",
        "model.onnx",
    ]
    notes = {p.key: p.value for p in onnx.load(tmp_path / "out" / "model.onnx").metadata_props}
    assert notes["checkpoint"] == "step-00000001"
    assert notes["classes"].split("\n") == list(spec.classes)


def test_a_file_that_disagrees_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = prepare_stripes(tmp_path)
    model = _build("mlp", spec)
    output = tmp_path / "model.onnx"
    _export(tmp_path, model, spec, output)
    before = output.read_bytes()
    real = module._write

    def write_another(shipped: nn.Module, *arguments: Any) -> int:
        return real(module.ShippedModel(shipped.normalize, _build("mlp", spec, 1)), *arguments)

    monkeypatch.setattr(module, "_write", write_another)
    with pytest.raises(ExportError, match="disagrees with the model"):
        _export(tmp_path, model, spec, output)
    assert output.read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


class _Branches(nn.Module):
    """Its forward depends on values, which no graph can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        return self.linear(flat) if flat.sum() > 0 else self.linear(-flat)


def test_a_model_that_cannot_be_exported_is_named(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    with pytest.raises(ExportError, match="cannot be exported") as caught:
        _export(tmp_path, _Branches(), spec, tmp_path / "model.onnx")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "model.onnx").exists()


class _CountsItsBatch(nn.Module):
    """Exports without complaint and is wrong for other batch sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(x.flatten(1))
        return logits if x.shape[0] == 2 else logits + 1


def test_code_that_depends_on_the_batch_size_is_caught(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    with pytest.raises(ExportError):
        _export(tmp_path, _CountsItsBatch(), spec, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        _export(tmp_path, _build("mlp", spec), spec, tmp_path / "file" / "model.onnx")


class _CountsItsWords(nn.Module):
    """Takes texts of one length alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 4)
        self.head = nn.Linear(12 * 4, 3)

    def forward(self, tokens_BL: torch.Tensor) -> torch.Tensor:
        logits_BK: torch.Tensor = self.head(self.embedding(tokens_BL).flatten(1))
        return logits_BK


def test_a_model_for_texts_of_one_length_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = prepare_kind(tmp_path, "tokens", monkeypatch)
    with pytest.raises(ExportError):
        _export(tmp_path, _CountsItsWords(), spec, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
