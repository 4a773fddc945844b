"""How the learning rate changes over the run."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class ScheduleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The learning-rate schedule."""

    name: Annotated[
        Literal[
            "constant",
            "step",
            "multi-step",
            "exponential",
            "plateau",
            "linear",
            "polynomial",
            "inverse-sqrt",
            "cosine",
            "one-cycle",
        ],
        Meta(description="learning-rate schedule"),
    ] = "constant"
    warmup: Annotated[
        float,
        Meta(ge=0, lt=1, description="share of the steps in which the learning rate rises"),
    ] = 0.0
    gamma: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="factor of each fall, for step, multi-step, exponential and plateau",
        ),
    ] = 0.1
    step_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="epochs between falls, for step")
    ] = 1
    milestones: Annotated[
        str,
        Meta(
            pattern=r"^(|[0-9]{1,7}(,[0-9]{1,7})*)(?!\n)$",
            description="epochs after which to fall, for multi-step: numbers like 30,60",
        ),
    ] = ""
    plateau_patience: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="epochs without a better validation before a fall"),
    ] = 3
    power: Annotated[float, Meta(gt=0, le=100, description="exponent, for polynomial")] = 2.0
