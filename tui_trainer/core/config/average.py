"""Averages of the weights over training."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class AverageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second set of weights, averaged; it is what is judged and exported."""

    name: Annotated[
        Literal["none", "ema", "swa"],
        Meta(description="average of the weights: none, ema (moving) or swa (of late epochs)"),
    ] = "none"
    ema_decay: Annotated[
        float, Meta(gt=0, lt=1, description="share of the moving average that stays at each step")
    ] = 0.999
    swa_start: Annotated[
        float, Meta(ge=0, lt=1, description="share of the epochs after which swa begins")
    ] = 0.75
