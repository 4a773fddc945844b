"""One optimizer step, without a look at its numbers."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.core.randomness import mix_seed


class StepFigures(NamedTuple):
    """Scalars of one step, still on the device."""

    loss: Tensor
    grad_norm: Tensor
    correct: Tensor


class Stepper:
    """Forward, backward and update on one batch.

    Dropout and its like draw from the device's generator, which is seeded anew for every step
    from (seed, step): a resumed run draws what an uninterrupted one would have drawn.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        device: torch.device,
        *,
        seed: int,
        label_smoothing: float,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.label_smoothing = label_smoothing
        self._seed = seed
        self._generator = _default_generator(device)
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def __call__(self, x_BCHW: Tensor, labels_B: Tensor, *, step: int, lr: float) -> StepFigures:
        """Train on a batch as the 1-based `step` with the learning rate `lr`."""
        self._generator.manual_seed(mix_seed(self._seed, step, _DROPOUT))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        logits_BK = self.model(x_BCHW)
        loss = F.cross_entropy(logits_BK, labels_B, label_smoothing=self.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        grad_norm = nn.utils.get_total_norm(gradients)
        # The fused kernels skip the update where this flag is set: a NaN never reaches the
        # weights, and the host need not wait for the device to know.
        self.optimizer.found_inf = (~torch.isfinite(loss + grad_norm)).float()  # type: ignore[attr-defined]
        self.optimizer.step()
        correct = (logits_BK.detach().argmax(1) == labels_B).sum()
        return StepFigures(loss, grad_norm, correct)


_DROPOUT = 0x64726F70


def _default_generator(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator
