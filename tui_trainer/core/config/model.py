"""What is trained."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The network and the weights it begins with."""

    name: Annotated[
        str,
        Meta(
            description="the model to train: one of ours, torchvision:NAME, path/file.py:Name "
            "or package.module:Name"
        ),
    ] = "convnet"
    pretrained: Annotated[
        bool, Meta(description="begin with torchvision's trained weights, where it has some")
    ] = False
    init_from: Annotated[
        str, Meta(description="begin with the weights in this file: .safetensors or .pt")
    ] = ""
    freeze: Annotated[
        str,
        Meta(
            description="parameters not to train, separated by commas: names like conv1 or layer*"
        ),
    ] = ""
