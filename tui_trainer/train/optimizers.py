"""Optimizers, fused, with weight decay where it belongs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tui_trainer.core.config.optimizer import OptimizerConfig

_FUSED_DEVICES = {"cpu", "cuda", "mps"}


def build_optimizer(config: OptimizerConfig, model: nn.Module, device: torch.device) -> Optimizer:
    """The optimizer for a model that is already on its device.

    Biases and normalisation weights, which have one dimension, are not decayed. Fused
    implementations also take the flag that masks an update (see `train.step`).
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    assert device.type in _FUSED_DEVICES
    if config.name == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, fused=True)
    kind = AdamW if config.name == "adamw" else Adam
    return kind(groups, lr=config.lr, betas=(config.momentum, 0.999), fused=True)
