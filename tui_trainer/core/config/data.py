"""What is trained on, and how it becomes batches."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dataset, its validation share, the size of a batch and where batches are made."""

    dataset: Annotated[str, Meta(description="the dataset to train on")] = "digits"
    validation: Annotated[
        float,
        Meta(ge=0, lt=1, description="share of training held out for validation; 0 trains on all"),
    ] = 0.1
    subset: Annotated[
        float,
        Meta(gt=0, le=1, description="share of the training samples to train on; 1 takes all"),
    ] = 1.0
    balance: Annotated[
        bool, Meta(description="as many samples of each class in an epoch, rare ones repeated")
    ] = False
    batch_size: Annotated[int, Meta(ge=1, le=1 << 20, description="samples in a batch")] = 64
    placement: Annotated[
        Literal["auto", "device", "stream"],
        Meta(description="keep the data whole on the device, or stream it; auto goes by size"),
    ] = "auto"
    workers: Annotated[
        int,
        Meta(ge=-1, le=256, description="processes that load streamed data; -1 goes by the cores"),
    ] = -1
