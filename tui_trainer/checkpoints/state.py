"""What a checkpoint holds beside the weights."""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.optim import Optimizer

from tui_trainer.core.events import Best
from tui_trainer.core.schedules import PlateauWatch
from tui_trainer.errors import CheckpointError


class EpochTotals(msgspec.Struct, kw_only=True):
    """Sums over the samples trained on so far in the current epoch, and the time they took.

    `count` are the labels that the loss is a sum over, which leaves out those that it ignores.
    """

    loss: float = 0.0
    correct: float = 0.0
    count: int = 0
    duration_s: float = 0.0
    samples: int = 0

    def __post_init__(self) -> None:
        # Checkpoints of versions that ignored no label hold one number for both.
        if self.samples == 0:
            self.samples = self.count


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What must be the same for a resumed run to be the same run to the bit.

    How batches come to the device is not part of it: by design the same numbers come either way.
    """

    data_sha256: str
    torch: str
    device: str
    threads: int
    precision: str = "fp32"
    compile: bool = False
    # Empty in the checkpoints of versions that did not look.
    numpy: str = ""
    device_name: str = ""


class TrainingState(msgspec.Struct, frozen=True, kw_only=True):
    """Where training stands after `step`. Random numbers need no state: they follow the step.

    Attributes:
        plateau: what the schedule `plateau` has seen.
        average_count: sets of weights that the averaged weights were made of.
        scaler: scale and growth of the loss scaler, in fp16.
        micro_batch: samples that memory has room for at once; 0 where it has for a whole batch.
        code: SHA-256 of each file of the user's own code.
        settings: those that decide what numbers are computed, by `part.field`; empty in the
            checkpoints of versions that did not keep them.
    """

    step: int
    steps_per_epoch: int
    lr_scale: float
    best: Best | None
    totals: EpochTotals
    fingerprint: Fingerprint
    plateau: PlateauWatch = PlateauWatch()
    average_count: int = 0
    scaler: dict[str, float] | None = None
    micro_batch: int = 0
    code: dict[str, str] = {}
    settings: dict[str, Any] = {}

    @property
    def is_best(self) -> bool:
        """Whether the weights of `step` are the best so far."""
        return self.best is not None and self.best.step == self.step


class OptimizerState(msgspec.Struct, frozen=True, kw_only=True):
    """An optimizer's state without its tensors, which go to a file of their own."""

    groups: list[dict[str, Any]]
    scalars: dict[str, Any]


def pack_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], OptimizerState]:
    """An optimizer's tensors by `INDEX.NAME`, and the rest of its state as plain values."""
    content = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for index, entries in content["state"].items():
        for name, value in entries.items():
            kind: dict[str, Any] = tensors if isinstance(value, Tensor) else scalars
            kind[f"{index}.{name}"] = value
    return tensors, OptimizerState(groups=content["param_groups"], scalars=scalars)


def unpack_optimizer(
    optimizer: Optimizer, tensors: dict[str, Tensor], packed: OptimizerState
) -> None:
    """Put a packed state into an optimizer made for the same model.

    Raises:
        CheckpointError: it was packed from an optimizer of another kind.
    """
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *packed.scalars.items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [
        {
            name: tuple(value) if isinstance(value, list) and name != "params" else value
            for name, value in group.items()
        }
        for group in packed.groups
    ]
    expected = [group.keys() for group in optimizer.state_dict()["param_groups"]]
    if [group.keys() for group in groups] != expected:
        raise CheckpointError(
            "The checkpoint was saved with another optimizer.",
            "Resume with the optimizer that the run was started with.",
        )
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise CheckpointError(
            "The checkpoint was saved with an optimizer of other parameters.",
            "Resume with the model and the frozen parts that the run was started with.",
        ) from error
    _restore_memory_order(optimizer)


def _restore_memory_order(optimizer: Optimizer) -> None:
    """Lay out state tensors in memory as their parameters are.

    Files hold tensors in the standard order; the fused kernels walk a parameter and its state
    side by side in memory and pair up the wrong elements where the two differ.
    """
    for parameter, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
