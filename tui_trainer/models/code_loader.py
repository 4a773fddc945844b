"""What loads all of a user's own code of a run: its model, loss and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tui_trainer.core.code_names import is_code_name, parse_metric_names
from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.core.tasks import our_losses
from tui_trainer.errors import ConfigError
from tui_trainer.models.seeding import randomness_from
from tui_trainer.models.user_code import (
    LoadedCode,
    Role,
    UserCodeError,
    explain_failure,
    load_code,
    note_code,
)
from tui_trainer.models.user_dataset import build_user_samples
from tui_trainer.models.user_functions import build_user_loss, build_user_metric
from tui_trainer.models.user_model import build_user_model
from tui_trainer.store.trust import Gate

_IMPORT = 0x696D706F7274


class CodeLoader:
    """Loads code by name; relative names begin at `folder`, and `gate` says what may run.

    What the code draws at random, when it is imported and when it builds a model, follows from
    `seed` alone.
    """

    def __init__(self, folder: Path, gate: Gate, seed: int) -> None:
        self._folder = folder
        self._gate = gate
        self._seed = seed
        self._loaded: list[LoadedCode] = []

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the file of each name loaded so far."""
        return note_code(self._loaded)

    def load_model(self, name: str, spec: DatasetSpec) -> tuple[nn.Module, list[str]]:
        """The model `name` for a dataset, on the CPU, and warnings for people.

        Raises:
            ModelError, ConfigError: as of `load_code` and `build_user_model`.
        """
        return build_user_model(self._load(name, "model"), spec, self._seed)

    def load_loss(self, name: str, spec: DatasetSpec) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The user's loss, or None where `name` is one of ours.

        Raises:
            ConfigError: it is neither, or as of `load_code` and `build_user_loss`.
        """
        if name in our_losses():
            return None
        if not is_code_name(name):
            raise ConfigError(f"There is no loss {name!r}.", hint_for(name, our_losses()))
        return build_user_loss(self._load(name, "loss"), spec)

    def load_metrics(
        self, names: str, spec: DatasetSpec
    ) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
        """The user's metrics by the names of their figures; `names` as in `training.metrics`.

        Raises:
            ConfigError: as of `parse_metric_names`, `load_code` and `build_user_metric`.
        """
        metrics: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
        for name in parse_metric_names(names):
            metric = build_user_metric(self._load(name, "metric"), spec)
            metrics[metric.name] = metric
        return metrics

    def load_samples(self, name: str) -> Mapping[str, Any]:
        """The samples that a user's class gives, by split.

        Raises:
            DatasetError, ConfigError: as of `load_code` and `build_user_samples`.
        """
        return build_user_samples(self._load(name, "dataset"))

    def explain(self, error: BaseException) -> UserCodeError | None:
        """A sentence for an error that code loaded here raised later; None for any other."""
        return explain_failure(error, self._loaded)

    def _load(self, name: str, role: Role) -> LoadedCode:
        with randomness_from(mix_seed(self._seed, _IMPORT)):
            code = load_code(name, role=role, folder=self._folder, gate=self._gate)
        self._loaded.append(code)
        return code
