"""How training images are varied before the model sees them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class AugmentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Random changes of whole batches on the training device; none by default."""

    crop: Annotated[
        int, Meta(ge=0, le=1024, description="pixels of reflected border to crop from at random")
    ] = 0
    translate: Annotated[
        int, Meta(ge=0, le=1024, description="pixels to shift by at most; the gap is black")
    ] = 0
    flip: Annotated[
        float, Meta(ge=0, le=1, description="chance of a mirrored image (left to right)")
    ] = 0.0
    erase: Annotated[
        float,
        Meta(ge=0, lt=1, description="side of a random square to blacken, as a share of the image"),
    ] = 0.0
    mixup: Annotated[
        float, Meta(ge=0, le=100, description="alpha of mixup, which blends two images; 0 is off")
    ] = 0.0
    cutmix: Annotated[
        float,
        Meta(ge=0, le=100, description="alpha of cutmix, which pastes a part of one; 0 is off"),
    ] = 0.0
