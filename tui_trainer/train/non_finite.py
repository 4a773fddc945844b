"""What to say of a step whose loss or gradient was not finite: where it began, and with what."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.format import format_count
from tui_trainer.data.batches import Batch
from tui_trainer.errors import NonFiniteError
from tui_trainer.store.atomic import make_folder, replace_file
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.freezing import put_in_training_mode
from tui_trainer.train.setup import Task
from tui_trainer.train.step import Stepper
from tui_trainer.train.tracing import Birth, trace_step

CODE = "T303"

# Above these, numbers have grown out of proportion rather than met a bad place of a function.
_LARGE_WEIGHT, _LARGE_INPUT = 1e3, 1e6
_NEAR_ZERO = {"div", "log", "log10", "log1p", "log2", "pow", "reciprocal", "rsqrt"}
_MOST_NAMED = 5


def explain_step(
    task: Task, stepper: Stepper, writer: RunWriter, error: NonFiniteError
) -> NonFiniteError:
    """Repeat the step that `error` names, log where it went wrong and keep its batch.

    The batch is drawn again from the seed, the epoch and the number of the step. The error that
    comes back says in its sentence where trouble began, if the step goes wrong again.
    """
    birth, kept, advice = None, "", error.hint
    try:
        epoch, number = divmod(error.step - 1, task.steps_per_epoch)
        batch = task.draw_batch(error.step)
        samples_B = task.train.numbers(task.config.training.seed, epoch, number)
        kept = (
            f"Batch {format_count(number + 1)} of epoch {epoch + 1}, "
            f"{_keep_batch(writer.run, batch, samples_B, error.step)}."
        )
        birth = _repeat(task, stepper, batch, error.step)
        seen, advice = _describe(birth, batch, samples_B, task.device), _advise(birth, task)
    except Exception as failure:  # noqa: BLE001 - a run ends, or goes back, for what was first
        seen = f"The step could not be repeated to find where: {_word(failure)}."
    writer.emit(
        events.Diagnosed(
            code=CODE,
            severity="error",
            seen=f"{seen} {kept}".rstrip(),
            advice=advice,
            step=error.step,
        )
    )
    if birth is None:
        return error
    told = error.message[0].lower() + error.message[1:]
    return NonFiniteError(f"{_name(birth)}: {told}", advice, step=error.step)


def _repeat(task: Task, stepper: Stepper, batch: Batch, step: int) -> Birth | None:
    put_in_training_mode(task.model)
    # A model may change its input in place.
    copy = batch._replace(x=batch.x.clone())
    return trace_step(stepper, copy, step, is_compiled=task.config.hardware.compile)


def _word(failure: Exception) -> str:
    try:
        return f"{type(failure).__name__}: {failure}".splitlines()[0].rstrip(".")
    except Exception as another:  # noqa: BLE001 - the text of an exception is a user's code too
        return f"{type(failure).__name__}, whose text cannot be had: {type(another).__name__}"


def _keep_batch(run: Path, batch: Batch, samples_B: Tensor, step: int) -> str:
    """Keep the batch with the run; where it lies, or why it does not."""
    tensors = {"x": batch.x, "labels": batch.labels_B, "samples": samples_B}
    if batch.mixed_labels_B is not None:
        tensors |= {"mixed_labels": batch.mixed_labels_B}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    file = run / paths.NON_FINITE / f"step-{step:08}.safetensors"
    try:
        make_folder(file.parent)
        replace_file(file, save(plain, {"step": str(step), "share": repr(batch.share)}))
    except OSError as error:
        return f"which could not be kept: {error.strerror}"
    return f"kept as {paths.NON_FINITE}/{file.name}"


def _name(birth: Birth) -> str:
    if birth.kind == "batch":
        return "NaN or infinity in what the model is given"
    if birth.kind == "weights":
        return f"NaN or infinity in the weights {birth.place}"
    if birth.kind == "norm":
        return f"The gradient, of which that of {birth.place} is the largest, has no finite norm"
    if birth.kind == "forward":
        return f"NaN or infinity in the output of {birth.place}"
    line = f" at {birth.line}" if birth.line else ""
    return f"NaN or infinity in the gradient of {birth.operation} in {birth.place}{line}"


def _describe(birth: Birth | None, batch: Batch, samples_B: Tensor, device: torch.device) -> str:
    if birth is None:
        return f"Repeated on {device.type}, the step had finite numbers only."
    if birth.kind == "batch":
        is_bad_B = ~batch.x.isfinite().flatten(1).all(1).cpu()
        numbers = [str(number) for number in samples_B[is_bad_B].tolist()]
        more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
        named = ", ".join(numbers[:_MOST_NAMED])
        return f"{_name(birth)}, training sample {named}{more}."
    sizes = []
    if birth.input_max:
        sizes.append(f"inputs up to {birth.input_max:.3g}")
    if birth.weight_max:
        sizes.append(f"weights up to {birth.weight_max:.3g}")
    return f"{_name(birth)}{', of ' if sizes else ''}{' and '.join(sizes)}."


def _advise(birth: Birth | None, task: Task) -> str:
    if birth is None:
        return "Train with --detect-anomaly, which looks at every step as it happens."
    if birth.kind == "batch":
        return "Look at these samples in the data, and at what augmentation makes of them."
    if birth.kind == "weights":
        return "Look at the weights that the run began with."
    if birth.operation == "sqrt":
        return (
            "The slope of a square root at 0 is infinite: add a small number under it, or use "
            "torch.linalg.vector_norm for lengths."
        )
    if birth.operation in _NEAR_ZERO:
        return "Keep what goes into it away from 0: clamp it, or add a small number."
    if task.precision.name == "fp16":
        return "fp16 ends at 65504: use --precision bf16 or fp32."
    if birth.kind == "norm" or birth.weight_max > _LARGE_WEIGHT or birth.input_max > _LARGE_INPUT:
        return "The numbers have grown: try a smaller --lr, a longer --warmup or --clip-norm 1."
    return "Try a smaller --lr or --clip-norm 1, and look at what goes into it."
