"""A trained model as its checkpoint left it, and the data to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from tui_trainer.checkpoints.read import Checkpoint, find_checkpoint, read_checkpoint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.batches import EVALUATION_BATCH_SIZE, Batches, choose_placement
from tui_trainer.data.prepared import Inputs, Labels, hash_data, load_split
from tui_trainer.data.split import split_for_validation
from tui_trainer.errors import CheckpointError, DatasetError
from tui_trainer.evaluate.metrics import Criteria
from tui_trainer.models.build import UserCode, build_model
from tui_trainer.store.datasets import dataset_bytes, read_spec


@dataclass(frozen=True)
class JudgedModel:
    """A model in evaluation mode with the weights of a checkpoint, and what to judge it by."""

    model: nn.Module
    spec: DatasetSpec
    checkpoint: Checkpoint
    criteria: Criteria
    config: RunConfig
    data_dir: Path
    device: torch.device

    @property
    def has_other_data(self) -> bool:
        """Whether the dataset is not the one that the checkpoint was trained on."""
        return self.checkpoint.state.fingerprint.data_sha256 != hash_data(self.spec)

    def batches(self, split: str) -> Batches:
        """The samples of `test`, or of the `validation` or `train` part the run made.

        Raises:
            DatasetError: the run held nothing out for validation.
        """
        inputs, labels, chosen = self._samples(split)
        placement, workers, _ = choose_placement(
            dataset_bytes(self.spec),
            self.device,
            self.config.data.placement,
            self.config.data.workers,
        )
        return Batches(
            self.spec,
            inputs,
            labels,
            chosen,
            batch_size=EVALUATION_BATCH_SIZE,
            device=self.device,
            placement=placement,
            workers=workers,
            channels_last=self.config.hardware.channels_last,
        )

    def stored_inputs(self, split: str) -> Inputs:
        """The inputs of a split as stored: uint8 N×C×H×W, float32 N×F or int32 N×L."""
        inputs, _, chosen = self._samples(split)
        return inputs[chosen]

    def _samples(self, split: str) -> tuple[Inputs, Labels, Labels]:
        """All inputs and labels that a split is part of, and which samples it is."""
        if split == "test":
            inputs, labels = load_split(self.data_dir, self.spec.name, "test")
            return inputs, labels, np.arange(len(labels))
        inputs, labels = load_split(self.data_dir, self.spec.name, "train")
        kept, held_out = split_for_validation(
            labels, self.config.data.validation, self.config.training.seed
        )
        chosen = kept if split == "train" else held_out
        if not len(chosen):
            raise DatasetError(
                "This run held nothing out for validation.", "Judge it with --split test."
            )
        return inputs, labels, chosen


def load_judged(
    checkpoints: Path,
    which: str,
    *,
    best_step: int | None,
    config: RunConfig,
    data_dir: Path,
    device: torch.device,
    code: UserCode,
) -> JudgedModel:
    """The model of checkpoint `which` (`best`, `last` or a step) of a run, on `device`.

    It has the averaged weights where the checkpoint holds some. `code` loads what of the model,
    the loss and the metrics is the user's own.

    Raises:
        CheckpointError: there is none, or it is damaged or of another model.
        DatasetError: the dataset is not prepared.
        ModelError, ConfigError: the user's own code is missing, fails or may not run.
    """
    checkpoint = read_checkpoint(find_checkpoint(checkpoints, which, best_step))
    spec = read_spec(data_dir, config.data.dataset)
    # Whatever the run began with, its own weights follow: nothing is downloaded for them.
    untrained = msgspec.structs.replace(config.model, pretrained=False)
    model, _ = build_model(untrained, spec, config.training.seed, code)
    try:
        model.load_state_dict(checkpoint.judged)
    except RuntimeError as error:
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} does not fit the model {config.model.name}.",
            "Check that config.toml is the one the run was started with.",
        ) from error
    return JudgedModel(
        model=model.to(device).eval(),
        spec=spec,
        checkpoint=checkpoint,
        criteria=load_criteria(config, spec, code, device),
        config=config,
        data_dir=data_dir,
        device=device,
    )


def load_criteria(
    config: RunConfig, spec: DatasetSpec, code: UserCode, device: torch.device
) -> Criteria:
    """What a run judges its model by; `code` loads a loss and metrics of the user's own.

    Raises:
        ConfigError: one of them is missing, fails or may not run.
    """
    loss = code.load_loss(config.loss.name, spec)
    if isinstance(loss, nn.Module):
        # It may hold buffers, such as the weights of classes.
        loss.to(device)
    return Criteria(
        ignore_index=config.loss.ignore_index,
        loss=loss,
        metrics=code.load_metrics(config.training.metrics, spec),
    )
