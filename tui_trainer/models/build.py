"""A model by its name: ours, one of torchvision's, or a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from tui_trainer.core.catalog import TORCHVISION, find_model, misfit
from tui_trainer.core.config.model import ModelConfig
from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import ModelError
from tui_trainer.models.torchvision_models import build_torchvision
from tui_trainer.models.zoo import BUILDERS

_MODEL_SEED = 0x6D6F64656C

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""`f(outputs, labels)`, a scalar."""


class UserCode(Protocol):
    """Loads a user's own code, where it may run; `hashes` are the SHA-256 of what was loaded."""

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file by its name."""

    def load_model(self, name: str, spec: DatasetSpec) -> tuple[nn.Module, list[str]]:
        """The model `name` for a dataset, on the CPU, and warnings for people."""

    def load_loss(self, name: str, spec: DatasetSpec) -> LossFunction | None:
        """The user's loss, or None where `name` is one of ours."""

    def load_metrics(self, names: str, spec: DatasetSpec) -> dict[str, LossFunction]:
        """The user's metrics by the names of their figures; `names` as in `training.metrics`."""


def build_model(
    config: ModelConfig, spec: DatasetSpec, seed: int, code: UserCode | None = None
) -> tuple[nn.Module, list[str]]:
    """The model of `config` for a dataset, on the CPU, and warnings of what it may do badly.

    Its weights are drawn from `seed` alone, unless they are pretrained. `code` loads the model
    where it is the user's own.

    Raises:
        ModelError: it is unknown, cannot take such data or cannot be built.
        ConfigError: the user's code may not run.
    """
    entry = find_model(config.name)
    reason = misfit(entry, spec)
    if reason is not None:
        raise ModelError(f"The model does not fit {spec.name}: {reason}.", "Choose another model.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix_seed(seed, _MODEL_SEED))
        if config.name in BUILDERS:
            return BUILDERS[config.name](spec), []
        if config.name.startswith(TORCHVISION):
            return build_torchvision(config.name, spec, pretrained=config.pretrained), []
        assert code is not None, "a user's own model needs something that loads it"
        return code.load_model(config.name, spec)


def example_inputs(spec: DatasetSpec, batch_size: int) -> Tensor:
    """Inputs as a model gets them: zeros B×C×H×W or B×F float32, or tokens B×L int64, all 1."""
    if spec.kind == "tokens":
        return torch.ones(batch_size, *spec.shape, dtype=torch.int64)
    return torch.zeros(batch_size, *spec.shape)
