"""ONNX files with the preprocessing inside, published only once they agree with the model."""

from __future__ import annotations

import hashlib
import logging
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import onnx
import torch
from torch import Tensor, nn

from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.prepared import Images
from tui_trainer.errors import ExportError
from tui_trainer.export.parity import Parity, check_parity
from tui_trainer.store.atomic import fsync_file, fsync_folder, replace_file

OPSET = 20
INPUT, OUTPUT = "image", "logits"


class ShippedModel(nn.Module):
    """Stored pixels in (uint8 B×C×H×W), logits out (float32 B×K)."""

    def __init__(self, normalize: Normalize, model: nn.Module) -> None:
        super().__init__()
        self.normalize = normalize
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Logits of a batch."""
        logits_BK: Tensor = self.model(self.normalize(image))
        return logits_BK


def export_onnx(
    model: nn.Module,
    spec: DatasetSpec,
    images: Images,
    output: Path,
    *,
    facts: dict[str, str],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write `model`, on the CPU, as an ONNX file at `output`, beside it a `.json` of its facts.

    `images` are real samples, uint8 N×C×H×W, on which onnxruntime must agree with the model.
    Nothing is left at `output` that did not pass; an older file there stays until one does.

    Raises:
        ExportError: the model cannot be exported, or the file does not agree with it.
    """
    # The standard memory order: the exporter records strides it meets.
    plain = model.to(memory_format=torch.contiguous_format)
    shipped = ShippedModel(Normalize(spec.mean, spec.std), plain).eval()
    temporary = output.with_name(f".{output.name}.{uuid.uuid4().hex}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        say("exporting")
        opset = _write(shipped, images, spec, facts, temporary)
        say("comparing with onnxruntime")
        parity = check_parity(temporary, shipped, images)
        sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
        value = _describe(facts, spec, output, sha256, opset, temporary.stat().st_size, parity)
        fsync_file(temporary)
        # First, so that no facts of an older file ever stand beside the new one.
        output.with_suffix(".json").unlink(missing_ok=True)
        temporary.replace(output)
        fsync_folder(output.parent)
        replace_file(output.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(value)))
        return value
    except OSError as error:
        raise ExportError(
            f"{output} cannot be written: {error.strerror or error}.",
            "Choose another place with --output.",
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def _write(
    shipped: ShippedModel, images: Images, spec: DatasetSpec, facts: dict[str, str], file: Path
) -> int:
    """Export to `file`, check its form, and give back the opset it uses."""
    example = (torch.from_numpy(images[:2].copy()),)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                shipped,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise ExportError(
            f"The model cannot be exported to ONNX: {str(error).splitlines()[0]}.",
            "Avoid branches on tensor values and unsupported operators in its forward.",
        ) from error
    assert program is not None
    proto = program.model_proto
    notes = facts | {"classes": "\n".join(spec.classes), "preprocessing": "none needed: uint8 in"}
    onnx.helper.set_model_props(proto, notes)
    onnx.checker.check_model(proto, full_check=True)
    _check_interface(proto)
    file.write_bytes(proto.SerializeToString())
    return next(int(entry.version) for entry in proto.opset_import if entry.domain == "")


def _check_interface(proto: onnx.ModelProto) -> None:
    inputs, outputs = proto.graph.input, proto.graph.output
    names = [value.name for value in (*inputs, *outputs)]
    batches = [value.type.tensor_type.shape.dim[0] for value in (*inputs, *outputs)]
    if names != [INPUT, OUTPUT] or not all(batch.dim_param for batch in batches):
        raise ExportError(
            f"The exported model has the interface {names} with a fixed batch size.",
            "Avoid code in the model's forward that depends on the batch size.",
        )


def _describe(
    facts: dict[str, str],
    spec: DatasetSpec,
    output: Path,
    sha256: str,
    opset: int,
    size_bytes: int,
    parity: Parity,
) -> dict[str, Any]:
    return {
        **facts,
        "path": str(output),
        "sha256": sha256,
        "opset": opset,
        "bytes": size_bytes,
        "parity": msgspec.to_builtins(parity),
        "input": {"name": INPUT, "dtype": "uint8", "shape": ["batch", *spec.shape]},
        "output": {"name": OUTPUT, "dtype": "float32", "shape": ["batch", len(spec.classes)]},
        "classes": list(spec.classes),
    }
