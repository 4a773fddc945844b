"""Where and how it is computed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class HardwareConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device, the processor threads, the precision and the compiler."""

    device: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)(?!\n)$",
            description="device: auto, cpu, cuda, cuda:N or mps",
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Meta(
            ge=0, le=4096, description="processor threads; 0 takes the cores that other runs leave"
        ),
    ] = 0
    precision: Annotated[
        Literal["fp32", "tf32", "bf16", "fp16"],
        Meta(description="numbers to compute in; fp16 scales its loss"),
    ] = "fp32"
    channels_last: Annotated[
        bool, Meta(description="keep images channels-last in memory, which is mostly faster")
    ] = True
    compile: Annotated[
        bool, Meta(description="compile the model with torch.compile; the first step waits for it")
    ] = False
    activation_checkpointing: Annotated[
        bool, Meta(description="compute activations again for backward, to save memory")
    ] = False
    deterministic: Annotated[
        bool, Meta(description="refuse operations that do not give the same numbers every time")
    ] = False
    debug_cuda: Annotated[
        bool,
        Meta(description="wait for each kernel of the GPU and look for NaN, to see what fails"),
    ] = False
