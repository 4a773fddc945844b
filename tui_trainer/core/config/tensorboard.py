"""What is written for TensorBoard."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class TensorboardConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What TensorBoard finds in the run folder."""

    scalars: Annotated[bool, Meta(description="write TensorBoard scalars")] = True
    samples: Annotated[
        bool, Meta(description="write the first batch of training images, as augmented")
    ] = True
    every_s: Annotated[
        float, Meta(gt=0, le=1e7, description="least seconds between two points of a curve")
    ] = 1.0
