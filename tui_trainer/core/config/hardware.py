"""Where it runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class HardwareConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device and the processor threads."""

    device: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)(?!\n)$",
            description="device: auto, cpu, cuda, cuda:N or mps",
        ),
    ] = "auto"
    threads: Annotated[
        int, Meta(ge=0, le=4096, description="processor threads; 0 chooses by the cores")
    ] = 0
