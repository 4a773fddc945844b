"""What the processor says of a step at which a kernel of a GPU stopped."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing

import msgspec

from tui_trainer.checkpoints.read import Checkpoint
from tui_trainer.core.config import RunConfig
from tui_trainer.errors import DeviceError
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.train.freezing import put_in_training_mode
from tui_trainer.train.resume import restore
from tui_trainer.train.setup import Task, build_stepper
from tui_trainer.train.step import Stepper


def is_device_assert(error: Exception) -> bool:
    """Whether a kernel found something that must not be, such as an index out of its range."""
    return "device-side assert" in str(error)


def explain_assert(
    error: Exception,
    config: RunConfig,
    prepare: Callable[[RunConfig], Task],
    checkpoint: Checkpoint | None,
    step: int,
    code: CodeLoader,
) -> DeviceError:
    """A sentence for a device-side assert, which by itself only says that there was one.

    Where `--debug-cuda` made it come at the very step, that step is repeated on the processor,
    which names the cause. Its weights are those of `checkpoint` or of the run's beginning: which
    labels and indices there are does not depend on them. `prepare` sets a configuration up.
    """
    if not config.hardware.debug_cuda:
        return DeviceError(
            "The GPU stopped at a check in one of its kernels: most often a label or an index is "
            "out of its range.",
            "Train with --debug-cuda, which repeats the step on the processor to name the cause.",
        )
    hint = "See worker.log for the line that called the kernel."
    if not _is_of_a_step(error):
        return DeviceError(
            "The GPU stopped at a check in one of its kernels, not in a step: most often a label "
            "or an index is out of its range.",
            hint,
        )
    try:
        told = _repeat_on_processor(config, prepare, checkpoint, step, code)
    except Exception as failure:  # noqa: BLE001 - what failed first is what there is to explain
        told = f"could not be tried: {type(failure).__name__}"
    return DeviceError(
        f"The GPU stopped at a check in one of its kernels at step {step}; on the processor the "
        f"same batch {told}.",
        hint,
    )


def _is_of_a_step(error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is Stepper.differentiate.__code__ for frame, _ in frames)


def _repeat_on_processor(
    config: RunConfig,
    prepare: Callable[[RunConfig], Task],
    checkpoint: Checkpoint | None,
    step: int,
    code: CodeLoader,
) -> str:
    hardware = msgspec.structs.replace(
        config.hardware, device="cpu", precision="fp32", compile=False, debug_cuda=False
    )
    with closing(prepare(msgspec.structs.replace(config, hardware=hardware))) as task:
        if checkpoint is not None:
            restore(task, checkpoint)
        put_in_training_mode(task.model)
        batch = task.draw_batch(step)
        try:
            build_stepper(task).differentiate(batch, step=step)
        except Exception as error:  # noqa: BLE001 - any error of the model's is the answer
            explanation = code.explain(error)
            told = explanation.message if explanation else f"{type(error).__name__}: {error}"
            return f"ends in: {told.strip().splitlines()[0].rstrip('.')}"
    return "is trained on without an error"
