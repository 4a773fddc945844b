"""How long and from which seed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The length of the run, its seed and its loss."""

    epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs to train in all")] = 10
    seed: Annotated[
        int,
        Meta(ge=0, lt=1 << 53, description="seed of every random choice"),
    ] = 0
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="share of the target spread over all classes")
    ] = 0.0
