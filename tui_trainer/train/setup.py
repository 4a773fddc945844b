"""From a configuration to everything a training loop needs."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from tui_trainer.checkpoints.state import Fingerprint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.checks import decay_warning
from tui_trainer.core.dataset_reference import prepared_name_of
from tui_trainer.core.dataset_versions import hash_data
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.tasks import choose_loss, choosing_metric
from tui_trainer.data.batches import EVALUATION_BATCH_SIZE, Batch, Batches, choose_placement
from tui_trainer.data.parts import Part, Parts, choose_parts, count_shared
from tui_trainer.data.prepared import Labels, load_split
from tui_trainer.data.split import Indices
from tui_trainer.errors import DatasetError, ModelError
from tui_trainer.evaluate.load import load_criteria
from tui_trainer.evaluate.loss import Loss, build_loss
from tui_trainer.evaluate.metrics import Criteria
from tui_trainer.models.build import UserCode, example_inputs
from tui_trainer.store.datasets import dataset_bytes, read_spec
from tui_trainer.train.averaging import WeightAverage, build_average
from tui_trainer.train.hardware import check_debugging, choose_device, device_title
from tui_trainer.train.model import build_initial, place_model, wrap_model
from tui_trainer.train.optimizers import build_optimizer
from tui_trainer.train.precision import Precision, choose_precision
from tui_trainer.train.step import Stepper

_SMOKE_BATCHES, _SMOKE_SAMPLES = 4, 256


@dataclass(frozen=True)
class Task:
    """A run, set up: data in place, model and optimizer fresh from the seed.

    `micro_batch` samples go through the model at a time (0: the whole batch); `code` maps the
    user's own code to its SHA-256; `choices` and `warnings` are for people. The loss that
    `config` names is the one that is trained with, never `auto`. `shared_count` validation samples
    are among those trained on too.
    """

    config: RunConfig
    spec: DatasetSpec
    device: torch.device
    device_title: str
    threads: int
    choices: tuple[str, ...]
    warnings: tuple[str, ...]
    model: nn.Module
    optimizer: Optimizer
    loss: Loss
    criteria: Criteria
    precision: Precision
    average: WeightAverage | None
    micro_batch: int
    train: Batches
    validation: Batches | None
    test: Batches
    parts: Parts
    shared_count: int
    data_sha256: str
    code: dict[str, str]

    @property
    def metric(self) -> str:
        """The figure of a validation that chooses the best weights."""
        return choosing_metric(self.spec)

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
            precision=self.precision.name,
            compile=self.config.hardware.compile,
            numpy=np.__version__,
            device_name=self.device_title,
        )

    def draw_batch(self, step: int) -> Batch:
        """The batch that the 1-based `step` trains on."""
        epoch, number = divmod(step - 1, self.steps_per_epoch)
        return next(self.train.shuffled(self.config.training.seed, epoch, first=number))

    def close(self) -> None:
        """End the processes that load data."""
        for batches in (self.train, self.validation, self.test):
            if batches is not None:
                batches.close()


def set_up(
    config: RunConfig,
    data_dir: Path,
    *,
    threads: int,
    choices: list[str],
    code: UserCode,
    is_fresh: bool = True,
    spec: DatasetSpec | None = None,
    held_out_N: Indices | None = None,
) -> Task:
    """Load the data, build the model, the loss and the optimizer.

    `code` loads what of them is the user's own. Unless `is_fresh` the weights of a checkpoint
    follow: neither pretrained nor given weights are looked for. `spec` is the version of the
    dataset that is trained on, the present one where it is left out; `held_out_N` are the samples
    of it that the run held out when it began, where it has begun.

    Raises:
        DeviceError, DatasetError, ModelError, ConfigError: something is not here or does not fit.
    """
    device, device_choice = choose_device(config.hardware)
    check_debugging(config.hardware, device)
    precision = choose_precision(config.hardware, device)
    spec = spec or read_spec(data_dir, prepared_name_of(config), config.data.dataset)
    loss_config = msgspec.structs.replace(config.loss, name=choose_loss(config.loss, spec))
    config = msgspec.structs.replace(config, loss=loss_config)
    built = build_initial(config, spec, code, is_fresh=is_fresh)
    model = place_model(built.model, config.hardware, spec, device)
    parts = _split(config, data_dir, spec, device, held_out_N)
    _check_smallest_batch(model, spec, config, len(parts.train))
    criteria = load_criteria(config, spec, code, device)
    task = Task(
        config=config,
        spec=spec,
        device=device,
        device_title=device_title(device),
        threads=threads,
        choices=(device_choice, *choices, parts.choice, *built.notes),
        warnings=(*built.warnings, *filter(None, [decay_warning(config.optimizer)])),
        model=model,
        optimizer=build_optimizer(config.optimizer, model, device),
        loss=build_loss(config.loss, parts.train_labels, spec, device, criteria.loss),
        criteria=criteria,
        precision=precision,
        average=build_average(config.average, model, epochs=config.training.epochs),
        micro_batch=config.data.batch_size if config.optimizer.accumulate > 1 else 0,
        train=parts.train,
        validation=parts.validation,
        test=parts.test,
        parts=parts.parts,
        shared_count=count_shared(data_dir, spec, parts.parts),
        data_sha256=hash_data(spec),
        code=code.hashes,
    )
    # Last: averages are copies of the plain model.
    wrap_model(model, config.hardware, device)
    return task


def build_stepper(task: Task, micro_batch: int = 0) -> Stepper:
    """What takes the steps of `task`, `micro_batch` samples at a time; 0 goes by the task."""
    skips = task.config.training.non_finite == "skip"
    return Stepper(
        task.model,
        task.optimizer,
        task.loss,
        task.precision,
        task.device,
        seed=task.config.training.seed,
        task=task.spec.task,
        clip_norm=task.config.optimizer.clip_norm,
        micro_batch=micro_batch or task.micro_batch,
        guards_buffers=skips,
        halts=not skips,
        has_own_code=bool(task.code),
    )


@dataclass(frozen=True)
class _Parts:
    """The samples of a run, ready to be batched."""

    parts: Parts
    train: Batches
    validation: Batches | None
    test: Batches
    train_labels: Labels
    choice: str


def _split(
    config: RunConfig,
    data_dir: Path,
    spec: DatasetSpec,
    device: torch.device,
    held_out_N: Indices | None,
) -> _Parts:
    """Who is trained on, who is held out, and where their batches are made."""
    loaded = {split: load_split(data_dir, spec.name, split, spec) for split in spec.splits}
    inputs, labels = loaded["train"]
    seed = config.training.seed
    parts = choose_parts(spec, labels, config.data, seed, held_out_N)
    kept, tested, validation = parts.train.indices_N, parts.test.indices_N, parts.validation
    batch_size = config.data.batch_size * config.optimizer.accumulate
    if config.training.smoke:
        kept, tested = kept[: _SMOKE_BATCHES * batch_size], tested[:_SMOKE_SAMPLES]
        if validation is not None:
            validation = Part(validation.split, validation.indices_N[:_SMOKE_SAMPLES])
    if batch_size > len(kept):
        raise DatasetError(
            f"A batch of {batch_size} is larger than the {len(kept)} samples trained on.",
            "Choose a smaller --batch-size or --accumulate.",
        )
    place, choice = _choose_place(config, spec, device)
    wide = EVALUATION_BATCH_SIZE
    overfits = config.training.overfit_batch
    return _Parts(
        parts=parts,
        train=place(
            inputs,
            labels,
            kept,
            batch_size=batch_size,
            augment=None if overfits else config.augment,
            seed=seed,
            only_first=overfits,
            balance=config.data.balance,
        ),
        validation=place(*loaded[validation.split], validation.indices_N, batch_size=wide)
        if validation is not None
        else None,
        test=place(*loaded["test"], tested, batch_size=wide),
        train_labels=labels[kept],
        choice=choice,
    )


def _choose_place(
    config: RunConfig, spec: DatasetSpec, device: torch.device
) -> tuple[Callable[..., Batches], str]:
    """What makes batches where the data are kept, and a line on where that is."""
    placement, workers, choice = choose_placement(
        dataset_bytes(spec), device, config.data.placement, config.data.workers
    )
    place = functools.partial(
        Batches,
        spec,
        device=device,
        placement=placement,
        workers=workers,
        channels_last=config.hardware.channels_last,
    )
    return place, choice


def _check_smallest_batch(
    model: nn.Module, spec: DatasetSpec, config: RunConfig, train_count: int
) -> None:
    """Refuse a batch of one sample that the model cannot learn from, as batch norm cannot.

    Raises:
        ModelError: the last batch of an epoch, or every batch, is such a one.
    """
    batch_size = config.data.batch_size
    if batch_size > 1 and train_count % batch_size != 1:
        return
    trial = copy.deepcopy(model).train()
    device = next(trial.parameters()).device
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial(example_inputs(spec, 1).to(device))
    except ValueError as error:
        raise ModelError(
            f"A batch of one sample is left at the end of an epoch, and the model cannot learn "
            f"from it: {error}.",
            "Choose another --batch-size.",
        ) from error
