"""A trained model as its checkpoint left it, and the data to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import nn

from tui_trainer.checkpoints.read import Checkpoint, find_checkpoint, read_checkpoint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.dataset_versions import hash_data
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.tasks import choose_loss
from tui_trainer.data.batches import EVALUATION_BATCH_SIZE, Batches, choose_placement
from tui_trainer.data.parts import Parts, choose_parts, read_held_out
from tui_trainer.data.prepared import Inputs, load_split
from tui_trainer.errors import CheckpointError
from tui_trainer.evaluate.loss import REGRESSION_LOSSES
from tui_trainer.evaluate.metrics import Criteria
from tui_trainer.evaluate.targets import make_scale
from tui_trainer.models.build import UserCode, build_model
from tui_trainer.store.datasets import dataset_bytes
from tui_trainer.store.run_dataset import find_dataset_of, recall_spec


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
    parts: Parts

    @property
    def has_other_data(self) -> bool:
        """Whether the dataset is not the one that the checkpoint was trained on."""
        return self.checkpoint.state.fingerprint.data_sha256 != hash_data(self.spec)

    def batches(self, split: str) -> Batches:
        """The samples of `test`, or of the `validation` or `train` part the run made.

        Raises:
            DatasetError: the run held nothing out for validation.
        """
        part = self.parts.find(split)
        inputs, labels = load_split(self.data_dir, self.spec.name, part.split, self.spec)
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
            part.indices_N,
            batch_size=EVALUATION_BATCH_SIZE,
            device=self.device,
            placement=placement,
            workers=workers,
            channels_last=self.config.hardware.channels_last,
        )

    def stored_inputs(self, split: str, most: int) -> Inputs:
        """The first inputs of a split, at most so many: uint8 N×C×H×W, float32 N×F, int32 N×L."""
        part = self.parts.find(split)
        inputs, _ = load_split(self.data_dir, self.spec.name, part.split, self.spec)
        return inputs[part.indices_N[:most]]


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
        DatasetError: the dataset is not prepared, or its labels mean something else by now.
        ModelError, ConfigError: the user's own code is missing, fails or may not run.
    """
    checkpoint = read_checkpoint(find_checkpoint(checkpoints, which, best_step))
    run = checkpoints.parent
    spec = recall_spec(run, find_dataset_of(run, data_dir, config))
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
        parts=_recall_parts(run, config, data_dir, spec),
    )


def _recall_parts(run: Path, config: RunConfig, data_dir: Path, spec: DatasetSpec) -> Parts:
    """The samples that a run trained on and held out, as it kept them when it began."""
    _, labels_N = load_split(data_dir, spec.name, "train", spec)
    held_out_N = read_held_out(run, hash_data(spec))
    return choose_parts(spec, labels_N, config.data, config.training.seed, held_out_N)


def load_criteria(
    config: RunConfig, spec: DatasetSpec, code: UserCode, device: torch.device
) -> Criteria:
    """What a run judges its model by; `code` loads a loss and metrics of the user's own.

    Raises:
        ConfigError: one of them is missing, fails or may not run, or the loss is for other labels.
    """
    name = choose_loss(config.loss, spec)
    loss = code.load_loss(name, spec)
    if isinstance(loss, nn.Module):
        # It may hold buffers, such as the weights of classes.
        loss.to(device)
    scale = make_scale(spec)
    return Criteria(
        ignore_index=config.loss.ignore_index,
        loss=loss,
        metrics=code.load_metrics(config.training.metrics, spec),
        task=spec.task,
        scale=None if scale is None else scale.to(device),
        loss_name=name if name in REGRESSION_LOSSES else Criteria.loss_name,
    )
