"""How long, from which seed, and what else a run is for."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The length of the run and its seed."""

    epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs to train in all")] = 10
    seed: Annotated[
        int,
        Meta(ge=0, lt=1 << 53, description="seed of every random choice"),
    ] = 0
    early_stopping: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="epochs without a better validation after which to stop; 0 never does",
        ),
    ] = 0
    non_finite: Annotated[
        Literal["stop", "skip", "rollback"],
        Meta(
            description="where a loss or gradient is not finite: stop the run, skip the step, or "
            "roll back to a checkpoint and leave out the steps from there"
        ),
    ] = "stop"
    detect_anomaly: Annotated[
        bool,
        Meta(description="look at every gradient for NaN as it is computed, which is slow"),
    ] = False
    overfit_batch: Annotated[
        bool, Meta(description="train on the first batch only, to see that the model can learn")
    ] = False
    smoke: Annotated[
        bool,
        Meta(description="a few batches of every phase, through checkpoint, resume and export"),
    ] = False
    metrics: Annotated[
        str,
        Meta(description="further metrics, separated by commas: path.py:function of your own"),
    ] = ""
