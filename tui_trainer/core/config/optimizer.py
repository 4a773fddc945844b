"""How the weights are changed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class OptimizerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The optimizer and its hyper-parameters."""

    name: Annotated[Literal["sgd", "adam", "adamw"], Meta(description="the optimizer")] = "adamw"
    lr: Annotated[
        float, Meta(gt=0, le=1e6, description="learning rate, the peak of its schedule")
    ] = 1e-3
    momentum: Annotated[
        float, Meta(ge=0, lt=1, description="momentum of SGD, first beta of Adam and AdamW")
    ] = 0.9
    weight_decay: Annotated[
        float,
        Meta(ge=0, le=1e3, description="weight decay, not applied to biases and norms"),
    ] = 0.0
    nesterov: Annotated[bool, Meta(description="Nesterov momentum, for SGD")] = False
