"""When checkpoints are saved and how many stay."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rhythm of saving; the best and the last checkpoint are always kept."""

    every_s: Annotated[
        float,
        Meta(
            ge=0,
            le=1e7,
            description="seconds of training between checkpoints; 0 is 60, or more where saving "
            "would take over 1 % of the time",
        ),
    ] = 0.0
    every_steps: Annotated[
        int,
        Meta(ge=0, le=1_000_000_000, description="also save at every multiple of so many steps"),
    ] = 0
    keep: Annotated[
        int, Meta(ge=1, le=10_000, description="newest checkpoints to keep beside the best")
    ] = 2
