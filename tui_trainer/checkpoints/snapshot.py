"""What a checkpoint is made of, copied to the host while training stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.state import OptimizerState, TrainingState, pack_optimizer
from tui_trainer.errors import ModelError


@dataclass(frozen=True)
class Snapshot:
    """All of a training at one step, in host memory of its own, in the standard memory order.

    `averaged` are the averaged weights by name, where there are some.
    """

    state: TrainingState
    model: dict[str, Tensor]
    optimizer_tensors: dict[str, Tensor]
    optimizer: OptimizerState
    averaged: dict[str, Tensor] | None


def take_snapshot(
    model: nn.Module,
    optimizer: Optimizer,
    state: TrainingState,
    averaged: Mapping[str, Tensor] | None = None,
    *,
    reuse: Snapshot | None = None,
) -> Snapshot:
    """Copy model, optimizer and state; the memory of `reuse`, which is void then, is used again.

    Raises:
        ModelError: the model's state holds what is no plain tensor.
    """
    assert (averaged is not None) == (state.average_count > 0)
    optimizer_tensors, packed = pack_optimizer(optimizer)
    return Snapshot(
        state=state,
        model=_copy(model.state_dict(), reuse.model if reuse else None),
        optimizer_tensors=_copy(optimizer_tensors, reuse.optimizer_tensors if reuse else None),
        optimizer=packed,
        averaged=None if averaged is None else _copy(averaged, reuse.averaged if reuse else None),
    )


def _copy(tensors: Mapping[str, Tensor], reuse: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    # Names that share memory, as tied weights do, are copied one by one: a checkpoint's format
    # has no notion of sharing, and the model it is loaded into ties them again.
    return {
        name: _copy_one(name, tensor, (reuse or {}).get(name)) for name, tensor in tensors.items()
    }


def _copy_one(name: str, tensor: object, target: Tensor | None) -> Tensor:
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
        raise ModelError(
            f"The model keeps {name!r} in its state, which is no plain tensor and cannot be saved.",
            "Keep weights in parameters and other state in buffers.",
        )
    if target is None or target.shape != tensor.shape or target.dtype != tensor.dtype:
        target = torch.empty(tensor.shape, dtype=tensor.dtype)
    return target.copy_(tensor.detach())
