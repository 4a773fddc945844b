"""A device whose memory is too small for what was asked of it."""

from __future__ import annotations

import torch

from tui_trainer.errors import DeviceError

# What PyTorch's allocators say: that of the processor, and those of devices other than CUDA's.
_SIGNS = ("can't allocate memory", "out of memory")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a device has too little memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in _SIGNS)


def free_cached_memory() -> None:
    """Give back what the allocator keeps, in pieces of which none was large enough."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def not_even_one() -> DeviceError:
    """The error of a device that has no room for a single sample."""
    return DeviceError(
        "The device's memory is too small for even one sample at a time.",
        "Use a smaller model, --activation-checkpointing or another --device.",
    )
