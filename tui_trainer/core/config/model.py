"""What is trained."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network."""

    name: Annotated[str, Meta(description="the model to train")] = "convnet"
