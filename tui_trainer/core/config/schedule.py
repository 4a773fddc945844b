"""How the learning rate changes over the run."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class ScheduleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The learning-rate schedule, spread over all steps of the run."""

    name: Annotated[
        Literal["constant", "cosine", "one-cycle"], Meta(description="learning-rate schedule")
    ] = "constant"
    warmup: Annotated[
        float,
        Meta(ge=0, lt=1, description="share of the steps in which the learning rate rises"),
    ] = 0.0
