"""Going on from a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from tui_trainer.checkpoints.read import Checkpoint
from tui_trainer.checkpoints.state import Fingerprint, unpack_optimizer
from tui_trainer.core.code_names import compare_code
from tui_trainer.core.events import ControlApplied, Event
from tui_trainer.core.exactness import (
    Difference,
    Exactness,
    compare_settings,
    settings_that_matter,
)
from tui_trainer.errors import CheckpointError
from tui_trainer.train.averaging import WeightAverage
from tui_trainer.train.control import REPLAYED
from tui_trainer.train.setup import Task


def restore(task: Task, checkpoint: Checkpoint) -> list[Difference]:
    """Put a checkpoint's weights, averaged weights and optimizer state into `task`.

    What keeps the resumed run from being the same to the bit comes back.

    Raises:
        CheckpointError: the checkpoint does not fit the model, its average, the optimizer or the
            data.
    """
    try:
        task.model.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} does not fit the model {task.config.model.name}.",
            "Resume with the configuration the run was started with.",
        ) from error
    restore_average(task.average, checkpoint)
    unpack_optimizer(task.optimizer, checkpoint.optimizer_tensors, checkpoint.optimizer)
    if checkpoint.state.steps_per_epoch != task.steps_per_epoch:
        raise CheckpointError(
            f"An epoch had {checkpoint.state.steps_per_epoch} steps when the checkpoint "
            f"{checkpoint.folder} was saved, and has {task.steps_per_epoch} now.",
            "Bring back the data and the batch size that the run was started with.",
        )
    return find_differences(task, checkpoint)


def find_differences(task: Task, checkpoint: Checkpoint) -> list[Difference]:
    """What has changed since the checkpoint was saved and keeps a resume from being exact."""
    state = checkpoint.state
    code = compare_code(state.code, task.code)
    return [
        *compare_fingerprints(state.fingerprint, task.fingerprint),
        *compare_settings(state.settings, settings_that_matter(task.config)),
        *(Difference(text, Exactness.APPROXIMATE) for text in code),
    ]


def restore_average(average: WeightAverage | None, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's averaged weights into `average`.

    Raises:
        CheckpointError: one of the two has an average that the other lacks, or they do not fit.
    """
    state, hint = checkpoint.state, "Put back average.name in the config.toml of the run."
    if checkpoint.averaged is None:
        if average is not None and average.is_due_from_first_step and state.step > 0:
            raise CheckpointError(
                f"The checkpoint {checkpoint.folder} holds no averaged weights to go on from.", hint
            )
        return
    if average is None:
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} holds averaged weights, and this run makes none.",
            hint,
        )
    average.load(checkpoint.averaged, state.average_count)


def compare_fingerprints(before: Fingerprint, now: Fingerprint) -> list[Difference]:
    """What differs between two fingerprints."""
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(now)
    return [
        Difference(
            f"{_FINGERPRINT_WORDS.get(key, 'the ' + key)} changed from {_word(old[key])} "
            f"to {_word(new[key])}",
            Exactness.APPROXIMATE if key in _LEARNT_FROM else Exactness.SAMPLE_EXACT,
        )
        for key in old
        if old[key] not in (new[key], "")
    ]


_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256_SHOWN = 12

_LEARNT_FROM = {"data_sha256", "precision"}

_FINGERPRINT_WORDS = {
    "data_sha256": "the data",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "device_name": "the device's name",
    "threads": "the number of threads",
    "compile": "compilation",
}


def _word(value: object) -> object:
    if isinstance(value, str) and _SHA256.fullmatch(value):
        # Enough to tell two apart.
        return value[:_SHA256_SHOWN]
    return ("off", "on")[value] if isinstance(value, bool) else value


def abandoned_lr_changes(log: Iterable[Event], from_step: int) -> list[tuple[int, float]]:
    """Learning rates that people set after `from_step` on the branch that a resume abandons.

    The resumed run sets them again at the same steps, so that it is the run it would have been.
    A change at `from_step` itself may have come after its checkpoint; to set it twice is harmless.
    """
    changes = [
        (event.step, float(event.arguments["lr"]))
        for event in log
        if isinstance(event, ControlApplied) and event.request == "set" and event.id != REPLAYED
    ]
    return sorted((c for c in changes if c[0] >= from_step), key=lambda change: change[0])
