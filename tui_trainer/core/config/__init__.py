"""The configuration of a run: one typed tree, each part in the module its component imports."""

from __future__ import annotations

import msgspec

from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.config.average import AverageConfig
from tui_trainer.core.config.checkpoints import CheckpointConfig
from tui_trainer.core.config.data import DataConfig
from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.config.model import ModelConfig
from tui_trainer.core.config.optimizer import OptimizerConfig
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.config.schedule import ScheduleConfig
from tui_trainer.core.config.tensorboard import TensorboardConfig
from tui_trainer.core.config.training import TrainingConfig


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a run is asked to do."""

    data: DataConfig = DataConfig()
    preparation: PreparationConfig = PreparationConfig()
    augment: AugmentConfig = AugmentConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    average: AverageConfig = AverageConfig()
    training: TrainingConfig = TrainingConfig()
    hardware: HardwareConfig = HardwareConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    tensorboard: TensorboardConfig = TensorboardConfig()


__all__ = [
    "AugmentConfig",
    "AverageConfig",
    "CheckpointConfig",
    "DataConfig",
    "HardwareConfig",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PreparationConfig",
    "RunConfig",
    "ScheduleConfig",
    "TensorboardConfig",
    "TrainingConfig",
]
