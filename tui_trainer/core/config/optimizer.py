"""How the weights are changed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class OptimizerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The optimizer and its hyper-parameters."""

    name: Annotated[
        Literal["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"],
        Meta(description="the optimizer"),
    ] = "adamw"
    lr: Annotated[
        float, Meta(gt=0, le=1e6, description="learning rate, the peak of its schedule")
    ] = 1e-3
    momentum: Annotated[
        float,
        Meta(ge=0, lt=1, description="momentum of SGD and RMSprop, first beta of Adam and AdamW"),
    ] = 0.9
    beta2: Annotated[
        float,
        Meta(gt=0, lt=1, description="second beta of Adam and AdamW, decay of RMSprop, Adadelta"),
    ] = 0.999
    weight_decay: Annotated[
        float,
        Meta(ge=0, le=1e3, description="weight decay, not applied to biases and norms"),
    ] = 0.0
    nesterov: Annotated[bool, Meta(description="Nesterov momentum, for SGD")] = False
    clip_norm: Annotated[
        float, Meta(ge=0, le=1e9, description="largest norm of the gradient; 0 does not clip")
    ] = 0.0
    accumulate: Annotated[
        int, Meta(ge=1, le=1 << 16, description="batches whose gradients make one step")
    ] = 1
    lr_scales: Annotated[
        str,
        Meta(description="learning rate of parts, as factors: names like conv*=0.1,head=2"),
    ] = ""
