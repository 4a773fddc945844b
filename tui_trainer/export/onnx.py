"""ONNX files with the preprocessing inside, published only once they agree with the model."""

from __future__ import annotations

import contextlib
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

from tui_trainer.core.specs import UNKNOWN_TOKEN, DatasetSpec, Kind, Task
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.prepared import Inputs
from tui_trainer.errors import ExportError
from tui_trainer.evaluate.targets import TargetScale, make_scale
from tui_trainer.export.parity import Parity, check_parity
from tui_trainer.store.atomic import fsync_file, make_folder, replace_file

OPSET = 20
# What the file gives, by the task, and what that means.
OUTPUTS: dict[Task, tuple[str, str]] = {
    "classification": ("logits", "logits: softmax makes probabilities of them"),
    "multilabel": ("logits", "logits: sigmoid makes each one the probability of its label"),
    "regression": ("predictions", "targets in their own units"),
}


class Interface(msgspec.Struct, frozen=True):
    """What an exported file takes: its input's name and type, and what has been done to it."""

    name: str
    dtype: str
    preprocessing: str


INTERFACES: dict[Kind, Interface] = {
    "image": Interface("image", "uint8", "none needed: uint8 in"),
    "table": Interface("features", "float32", "none needed: features as measured in"),
    "tokens": Interface("tokens", "int64", "tokens of vocabulary.json in, 0 as padding after them"),
}


class ShippedModel(nn.Module):
    """Inputs as stored, or tokens as int64; out come float32 logits B×K or predictions B×T."""

    def __init__(
        self, normalize: Normalize, model: nn.Module, scale: TargetScale | None = None
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.model = model
        self.scale = scale

    def forward(self, stored: Tensor) -> Tensor:
        """Logits of a batch, or its targets in their own units."""
        outputs: Tensor = self.model(self.normalize(stored))
        return outputs if self.scale is None else self.scale(outputs)


def export_onnx(
    model: nn.Module,
    spec: DatasetSpec,
    inputs: Inputs,
    output: Path,
    *,
    facts: dict[str, str],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write `model`, on the CPU, as an ONNX file at `output`, beside it a `.json` of its facts.

    `inputs` are real samples as stored, on which onnxruntime must agree with the model. Nothing
    is left at `output` that did not pass; an older file there stays until one does.

    Raises:
        ExportError: the model cannot be exported, or the file does not agree with it.
    """
    # The standard memory order: the exporter records strides it meets.
    plain = model.to(memory_format=torch.contiguous_format)
    shipped = ShippedModel(Normalize(spec.mean, spec.std), plain, make_scale(spec)).eval()
    inputs = inputs.astype(INTERFACES[spec.kind].dtype, copy=False)
    temporary = output.with_name(f".{output.name}.{uuid.uuid4().hex}.tmp")
    try:
        make_folder(output.parent)
        say("exporting")
        opset = _write(shipped, inputs, spec, facts, temporary)
        say("comparing with onnxruntime")
        parity = check_parity(temporary, shipped, inputs, spec)
        sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
        value = _describe(facts, spec, output, sha256, opset, temporary.stat().st_size, parity)
        fsync_file(temporary)
        # First, so that no facts of an older file ever stand beside the new one.
        output.with_suffix(".json").unlink(missing_ok=True)
        temporary.replace(output)
        # Which makes the name of the model durable too.
        replace_file(output.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(value)))
        return value
    except OSError as error:
        raise ExportError(
            f"{output} cannot be written: {error.strerror or error}.",
            "Choose another place with --output.",
        ) from error
    finally:
        # Where the disk refuses this too, the first error is the one to tell.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(
    shipped: ShippedModel, inputs: Inputs, spec: DatasetSpec, facts: dict[str, str], file: Path
) -> int:
    """Export to `file`, check its form, and give back the opset it uses."""
    interface = INTERFACES[spec.kind]
    example = (_make_example(inputs, spec),)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                shipped,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=[interface.name],
                output_names=[OUTPUTS[spec.task][0]],
                dynamic_shapes=(_free_dimensions(spec),),
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        raise ExportError(
            f"The model cannot be exported to ONNX: {_reason(error)}.",
            "Avoid branches on tensor values and unsupported operators in its forward.",
        ) from error
    assert program is not None
    proto = program.model_proto
    notes = {
        "task": spec.task,
        "classes": "\n".join(spec.classes),
        "targets": "\n".join(spec.targets),
        "preprocessing": interface.preprocessing,
        "output": OUTPUTS[spec.task][1],
    }
    onnx.helper.set_model_props(proto, facts | notes)
    onnx.checker.check_model(proto, full_check=True)
    _check_interface(proto, [interface.name, OUTPUTS[spec.task][0]], len(_free_dimensions(spec)))
    file.write_bytes(proto.SerializeToString())
    return next(int(entry.version) for entry in proto.opset_import if entry.domain == "")


def _make_example(inputs: Inputs, spec: DatasetSpec) -> Tensor:
    """Two samples to trace the model with."""
    if spec.kind == "tokens":
        # A dimension of 1 would be taken for one that is always 1.
        return torch.full((2, max(2, *spec.shape)), UNKNOWN_TOKEN)
    return torch.from_numpy(inputs[:2].copy())


def _free_dimensions(spec: DatasetSpec) -> dict[int, Any]:
    """What may be of any size: the batch, and the texts' length up to that of the longest."""
    batch = {0: torch.export.Dim("batch")}
    if spec.kind != "tokens":
        return batch
    return batch | {1: torch.export.Dim("length", max=max(2, *spec.shape))}


def _reason(error: Exception) -> str:
    """What the exporter found, without its advice on how to report it."""
    found = error.__cause__ or error
    return str(found).strip().partition("\n")[0].rstrip(".") or type(found).__name__


def _check_interface(proto: onnx.ModelProto, wanted: list[str], num_free: int) -> None:
    inputs, outputs = proto.graph.input, proto.graph.output
    names = [value.name for value in (*inputs, *outputs)]
    free = [*inputs[0].type.tensor_type.shape.dim[:num_free]]
    free += [value.type.tensor_type.shape.dim[0] for value in outputs]
    if names != wanted or not all(dimension.dim_param for dimension in free):
        raise ExportError(
            f"The exported model has the interface {names} with a fixed size.",
            "Avoid code in the model's forward that depends on the size of the batch, or on the "
            "length of texts.",
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
    interface, (output_name, meaning) = INTERFACES[spec.kind], OUTPUTS[spec.task]
    return {
        **facts,
        "path": str(output),
        "sha256": sha256,
        "opset": opset,
        "bytes": size_bytes,
        "parity": msgspec.to_builtins(parity),
        "input": {
            "name": interface.name,
            "dtype": interface.dtype,
            "shape": ["batch", *(["length"] if spec.kind == "tokens" else spec.shape)],
        },
        "output": {
            "name": output_name,
            "dtype": "float32",
            "shape": ["batch", spec.num_outputs],
            "meaning": meaning,
        },
        "task": spec.task,
        "classes": list(spec.classes),
        "targets": list(spec.targets),
    }
