"""What training makes small."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LossConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss and what it does with classes."""

    name: Annotated[
        str,
        Meta(
            description="the loss: auto, cross-entropy, binary-cross-entropy, mse, huber, mae, "
            "or path.py:function of your own; auto goes by the labels"
        ),
    ] = "auto"
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="share of the target spread over all classes")
    ] = 0.0
    class_weights: Annotated[
        str,
        Meta(
            pattern=r"^(|balanced|[0-9.eE+-]+(,[0-9.eE+-]+)*)(?!\n)$",
            description="weight of each class: empty, balanced, or numbers like 1,2.5,1",
        ),
    ] = ""
    ignore_index: Annotated[
        int, Meta(ge=-(1 << 31), lt=1 << 31, description="label that the loss leaves out")
    ] = -100
