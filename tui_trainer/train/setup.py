"""From a configuration to everything a training loop needs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.state import Fingerprint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.batches import EVALUATION_BATCH_SIZE, DeviceBatches
from tui_trainer.data.prepared import hash_data, load_split
from tui_trainer.data.split import split_for_validation
from tui_trainer.errors import DatasetError, ModelError
from tui_trainer.models.zoo import build_model
from tui_trainer.store.datasets import read_spec
from tui_trainer.train.hardware import choose_device, device_title
from tui_trainer.train.optimizers import build_optimizer


@dataclass(frozen=True)
class Task:
    """A run, set up: data on the device, model and optimizer fresh from the seed."""

    config: RunConfig
    spec: DatasetSpec
    device: torch.device
    device_title: str
    threads: int
    choices: tuple[str, ...]
    model: nn.Module
    optimizer: Optimizer
    train: DeviceBatches
    validation: DeviceBatches | None
    test: DeviceBatches
    data_sha256: str

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return self.train.num_batches

    @property
    def steps(self) -> int:
        """Optimizer steps in the whole run."""
        return self.steps_per_epoch * self.config.training.epochs

    @property
    def fingerprint(self) -> Fingerprint:
        """What an exact resume must find unchanged."""
        return Fingerprint(
            data_sha256=self.data_sha256,
            torch=str(torch.__version__),
            device=self.device.type,
            threads=self.threads,
        )


def set_up(config: RunConfig, data_dir: Path, *, threads: int, choices: list[str]) -> Task:
    """Load the data, build the model and the optimizer.

    Raises:
        DeviceError, DatasetError, ModelError: something is not here or does not fit.
    """
    device, device_choice = choose_device(config.hardware)
    spec = read_spec(data_dir, config.data.dataset)
    model = build_model(config.model.name, spec, config.training.seed).to(device)
    images, labels = load_split(data_dir, spec.name, "train")
    kept, held_out = split_for_validation(labels, config.data.validation, config.training.seed)
    if config.data.validation > 0 and not len(held_out):
        raise DatasetError(
            f"A share of {config.data.validation:g} of {spec.name} leaves nothing to validate on.",
            "Choose a larger --validation, or 0 to train on all.",
        )
    batch_size = config.data.batch_size
    if batch_size > len(kept):
        raise DatasetError(
            f"A batch of {batch_size} is larger than the {len(kept)} samples trained on.",
            "Choose a smaller --batch-size.",
        )
    _check_smallest_batch(model, spec, len(kept), batch_size)
    test_images, test_labels = load_split(data_dir, spec.name, "test")
    wide = EVALUATION_BATCH_SIZE
    validation = None
    if len(held_out):
        validation = DeviceBatches(
            spec, images[held_out], labels[held_out], batch_size=wide, device=device
        )
    return Task(
        config=config,
        spec=spec,
        device=device,
        device_title=device_title(device),
        threads=threads,
        choices=(device_choice, *choices, "data: kept whole on the device"),
        model=model,
        optimizer=build_optimizer(config.optimizer, model, device),
        train=DeviceBatches(spec, images[kept], labels[kept], batch_size=batch_size, device=device),
        validation=validation,
        test=DeviceBatches(spec, test_images, test_labels, batch_size=wide, device=device),
        data_sha256=hash_data(spec),
    )


def _check_smallest_batch(
    model: nn.Module, spec: DatasetSpec, train_count: int, batch_size: int
) -> None:
    """Refuse a batch of one sample that the model cannot learn from, as batch norm cannot.

    Raises:
        ModelError: the last batch of an epoch, or every batch, is such a one.
    """
    if batch_size > 1 and train_count % batch_size != 1:
        return
    trial = copy.deepcopy(model).train()
    device = next(trial.parameters()).device
    try:
        with torch.no_grad(), torch.random.fork_rng():
            trial(torch.zeros(1, *spec.shape, device=device))
    except ValueError as error:
        raise ModelError(
            f"A batch of one sample is left at the end of an epoch, and the model cannot learn "
            f"from it: {error}.",
            "Choose another --batch-size.",
        ) from error
