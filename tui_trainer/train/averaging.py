"""A second set of weights, averaged over training: it is what is judged and exported."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from tui_trainer.core.config.average import AverageConfig
from tui_trainer.errors import CheckpointError, ModelError
from tui_trainer.train.freezing import hold_frozen_norms

_REFRESH_BATCHES = 100
_WARM_UP_UPDATES = 9


class WeightAverage(ABC):
    """An average of a model's weights, held in a copy of the model in evaluation mode.

    `torch.optim.swa_utils.AveragedModel` does not serve: it branches on a counter on the device,
    which makes the host wait twice per update, and sorts the tensors anew each time.

    Attributes:
        model: the averaged model, which is judged and exported.
        count: sets of weights taken in so far.
    """

    def __init__(self, source: nn.Module) -> None:
        self.model = _copy_for_judging(source)
        self.count = 0
        # Modules are paired while both are alike: the source may be wrapped later.
        self._modules = list(zip(self.model.modules(), source.modules(), strict=True))
        self._averages: list[Tensor] = []
        self._current: list[Tensor] = []
        pairs = zip(self.model.parameters(), source.parameters(), strict=True)
        self._pair_up((average, now) for average, now in pairs if _has_mean(now))

    @property
    def is_ready(self) -> bool:
        """Whether there is an average yet; until then the plain weights are judged."""
        return self.count > 0

    @property
    @abstractmethod
    def is_due_from_first_step(self) -> bool:
        """Whether a checkpoint of any step must hold an average."""

    def after_step(self, step: int) -> None:  # noqa: B027 - not every average has work here
        """Take note of the weights as the 1-based `step` left them. Never waits for the device."""

    @abstractmethod
    def after_epoch(self, epoch: int, batches: Callable[[], Iterable[Tensor]]) -> None:
        """Be ready to be judged at the end of the 1-based `epoch`.

        `batches` gives training inputs, B×…, on the device; the same for the same epoch.
        """

    def tensors(self) -> dict[str, Tensor]:
        """The averaged model's state, by name, for a checkpoint."""
        state: dict[str, Tensor] = self.model.state_dict()
        return state

    def load(self, tensors: dict[str, Tensor], count: int) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: the tensors are those of another model.
        """
        try:
            self.model.load_state_dict(tensors)
        except RuntimeError as error:
            raise CheckpointError(
                "The averaged weights of the checkpoint do not fit the model.",
                "Resume with the configuration the run was started with.",
            ) from error
        self.count = count

    def _pair_up(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        for average, current in pairs:
            self._averages.append(average)
            self._current.append(current)

    @torch.no_grad()
    def _take_in(self, share: float) -> None:
        """average += share · (current − average), for all tensors in one call."""
        torch._foreach_lerp_(self._averages, self._current, share)
        self.count += 1

    def _copy_the_rest(self) -> None:
        """Bring what is not averaged up to date: counters, masks, tables."""
        averaged = {id(tensor) for tensor in self._averages}
        for ours, theirs in self._modules:
            for name, parameter in theirs.named_parameters(recurse=False):
                if id(getattr(ours, name)) not in averaged:
                    getattr(ours, name).copy_(parameter)
            for name, buffer in theirs.named_buffers(recurse=False):
                if id(getattr(ours, name, None)) not in averaged:
                    # Set, not copied into: a model may give a buffer of its own another size.
                    setattr(ours, name, buffer.detach().clone())


class MovingAverage(WeightAverage):
    """The exponential moving average of the weights after every step (Polyak, Juditsky, 1992).

    average ← d·average + (1 − d)·weights, where d = min(decay, (1 + n) / (10 + n)) after n updates
    (the warm-up of TensorFlow's ExponentialMovingAverage), so that a short run is not dominated
    by its start. The average begins as the weights after the first step. Running statistics of
    norm layers are averaged likewise; other buffers are those of the model.
    """

    is_due_from_first_step = True

    def __init__(self, source: nn.Module, decay: float) -> None:
        super().__init__(source)
        self._decay = decay
        for ours, theirs in self._modules:
            if isinstance(ours, _NormBase) and isinstance(theirs, _NormBase):
                self._pair_up(
                    (average, now)
                    for average, now in [
                        (ours.running_mean, theirs.running_mean),
                        (ours.running_var, theirs.running_var),
                    ]
                    if average is not None and now is not None
                )

    def after_step(self, step: int) -> None:
        """Take in the weights as `step` left them; a masked step left them as they were."""
        decay = min(self._decay, self.count / (self.count + _WARM_UP_UPDATES))
        self._take_in(1.0 - decay)

    def after_epoch(self, epoch: int, batches: Callable[[], Iterable[Tensor]]) -> None:
        """Bring the buffers that are not averaged up to date."""
        self._copy_the_rest()

    def tensors(self) -> dict[str, Tensor]:
        """The averaged model's state, by name, for a checkpoint."""
        self._copy_the_rest()
        return super().tensors()


class EpochAverage(WeightAverage):
    """The mean of the weights at the ends of late epochs (stochastic weight averaging).

    After Izmailov and others, "Averaging Weights Leads to Wider Optima and Better Generalization",
    2018. Statistics of batch norm are taken anew from training batches, as those of the plain
    weights do not fit their mean.
    """

    is_due_from_first_step = False

    def __init__(self, source: nn.Module, first_epoch: int) -> None:
        super().__init__(source)
        self._first_epoch = first_epoch

    def after_epoch(self, epoch: int, batches: Callable[[], Iterable[Tensor]]) -> None:
        """Take in the weights at the end of `epoch`, if it is late enough, and refresh the norms.

        A run that is resumed for more epochs begins later, and then leaves out what was early.
        """
        if epoch < self._first_epoch:
            self.count = 0
            return
        self._take_in(1.0 / (self.count + 1))
        self._copy_the_rest()
        refresh_batch_norm(self.model, batches())


def build_average(config: AverageConfig, model: nn.Module, *, epochs: int) -> WeightAverage | None:
    """The average that `config` asks for, of a model that is already on its device, or None.

    Raises:
        ModelError: the model cannot be copied.
    """
    if config.name == "none":
        return None
    if config.name == "ema":
        return MovingAverage(model, config.ema_decay)
    return EpochAverage(model, max(1, math.ceil(config.swa_start * epochs)))


@torch.no_grad()
def refresh_batch_norm(
    model: nn.Module, batches: Iterable[Tensor], *, max_batches: int = _REFRESH_BATCHES
) -> None:
    """Take the running statistics of batch norm anew: the mean of those of each batch, B×….

    At most `max_batches` are looked at, none where the model has no batch norm. The model is in
    evaluation mode after it. `torch.optim.swa_utils.update_bn` does not serve: it also takes the
    statistics of frozen layers, and puts dropout in training mode, whose noise shifts the
    variances (Li and others, "Understanding the Disharmony between Dropout and Batch
    Normalization by Variance Shift", 2019) and depends on what ran before.
    """
    model.train()
    hold_frozen_norms(model)
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.running_mean is not None
    ]
    model.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
            norm.momentum = None  # Without a momentum every batch counts the same.
        for x_B in islice(batches, max_batches):
            model(x_B)
    finally:
        model.eval()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _has_mean(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _copy_for_judging(source: nn.Module) -> nn.Module:
    try:
        model = copy.deepcopy(source)
    except Exception as error:
        raise ModelError(
            f"The weights of the model cannot be averaged: it cannot be copied ({error}).",
            "Train it with --average none, or give the model what copy.deepcopy needs.",
        ) from error
    model.zero_grad(set_to_none=True)
    return model.requires_grad_(False).eval()
