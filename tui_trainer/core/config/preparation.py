"""How a dataset of files becomes arrays; it is prepared once for each way."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class PreparationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the files is taken, and in what form."""

    size: Annotated[
        int,
        Meta(ge=0, le=4096, description="side of the images in pixels; 0 leaves them as they are"),
    ] = 0
    fit: Annotated[
        Literal["crop", "pad", "stretch"],
        Meta(description="how an image that is not square is made so"),
    ] = "crop"
    color: Annotated[
        Literal["auto", "gray", "rgb"],
        Meta(description="channels of the images; auto is rgb if some of them have colour"),
    ] = "auto"
    task: Annotated[
        Literal["auto", "classification", "multilabel", "regression"],
        Meta(description="what is learnt; auto goes by the labels"),
    ] = "auto"
    inputs: Annotated[
        str, Meta(description="columns or arrays to learn from, by comma; empty takes the rest")
    ] = ""
    label: Annotated[
        str, Meta(description="columns or array of the label, by comma; empty looks for it")
    ] = ""
    test: Annotated[
        float,
        Meta(gt=0, lt=1, description="share held out as the test split, where there is none"),
    ] = 0.2
    seed: Annotated[int, Meta(ge=0, lt=1 << 53, description="what that share is drawn from")] = 0
    vocabulary: Annotated[
        int, Meta(ge=16, le=1 << 24, description="most words that are told apart in texts")
    ] = 20_000
    max_length: Annotated[
        int, Meta(ge=1, le=1 << 16, description="words after which a text is cut")
    ] = 512
    max_bad: Annotated[
        float, Meta(ge=0, le=1, description="share of samples that may be unreadable")
    ] = 0.01
