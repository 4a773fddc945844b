"""A trained model as its checkpoint left it, and the data to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from tui_trainer.checkpoints.read import Checkpoint, find_checkpoint, read_checkpoint
from tui_trainer.core.config import RunConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.batches import EVALUATION_BATCH_SIZE, DeviceBatches
from tui_trainer.data.prepared import Images, Labels, hash_data, load_split
from tui_trainer.data.split import split_for_validation
from tui_trainer.errors import CheckpointError, DatasetError
from tui_trainer.models.zoo import build_model
from tui_trainer.store.datasets import read_spec


@dataclass(frozen=True)
class JudgedModel:
    """A model in evaluation mode with the weights of a checkpoint."""

    model: nn.Module
    spec: DatasetSpec
    checkpoint: Checkpoint
    config: RunConfig
    data_dir: Path
    device: torch.device

    @property
    def has_other_data(self) -> bool:
        """Whether the dataset is not the one that the checkpoint was trained on."""
        return self.checkpoint.state.fingerprint.data_sha256 != hash_data(self.spec)

    def batches(self, split: str) -> DeviceBatches:
        """The samples of `test`, or of the `validation` or `train` part the run made.

        Raises:
            DatasetError: the run held nothing out for validation.
        """
        images, labels = self._arrays(split)
        return DeviceBatches(
            self.spec, images, labels, batch_size=EVALUATION_BATCH_SIZE, device=self.device
        )

    def raw_images(self, split: str) -> Images:
        """The images of a split as stored: uint8 N×C×H×W."""
        return self._arrays(split)[0]

    def _arrays(self, split: str) -> tuple[Images, Labels]:
        if split == "test":
            return load_split(self.data_dir, self.spec.name, "test")
        images, labels = load_split(self.data_dir, self.spec.name, "train")
        kept, held_out = split_for_validation(
            labels, self.config.data.validation, self.config.training.seed
        )
        chosen = kept if split == "train" else held_out
        if not len(chosen):
            raise DatasetError(
                "This run held nothing out for validation.", "Judge it with --split test."
            )
        return images[chosen], labels[chosen]


def load_judged(
    checkpoints: Path,
    which: str,
    *,
    best_step: int | None,
    config: RunConfig,
    data_dir: Path,
    device: torch.device,
) -> JudgedModel:
    """The model of checkpoint `which` (`best`, `last` or a step) of a run, on `device`.

    Raises:
        CheckpointError: there is none, or it is damaged or of another model.
        DatasetError: the dataset is not prepared.
    """
    checkpoint = read_checkpoint(find_checkpoint(checkpoints, which, best_step))
    spec = read_spec(data_dir, config.data.dataset)
    model = build_model(config.model.name, spec, config.training.seed)
    try:
        model.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        raise CheckpointError(
            f"The checkpoint {checkpoint.folder} does not fit the model {config.model.name}.",
            "Check that config.toml is the one the run was started with.",
        ) from error
    return JudgedModel(
        model=model.to(device).eval(),
        spec=spec,
        checkpoint=checkpoint,
        config=config,
        data_dir=data_dir,
        device=device,
    )
