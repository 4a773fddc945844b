"""Whether data are kept whole on the device or streamed, and by how many workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import psutil
import torch

from tui_trainer.core.format import format_bytes
from tui_trainer.data.processes import allowed_cores
from tui_trainer.errors import DatasetError

# What is left has to hold the model, its gradients and activations, and whatever else runs here.
_SHARE_OF_FREE = 1 / 3
# The memory that a Mac's GPU uses is that of its processor, and of everything else on the screen.
_SHARE_OF_FREE_MPS = 1 / 6
_MAX_WORKERS = 8

Placement = Literal["device", "stream"]


def choose_placement(
    spec_bytes: int, device: torch.device, wanted: str, workers: int
) -> tuple[Placement, int, str]:
    """Where data of `spec_bytes` are kept, by how many workers they are loaded, and why.

    `wanted` is `auto`, `device` or `stream`; `workers` −1 goes by the cores. The placement is
    `device` (with no workers) or `stream`; the reason is a line for people.

    Raises:
        DatasetError: they are to be kept on a device whose free memory they exceed.
    """
    free_bytes = free_memory(device)
    size, free = format_bytes(spec_bytes), format_bytes(free_bytes)
    share = _SHARE_OF_FREE_MPS if device.type == "mps" else _SHARE_OF_FREE
    fits = spec_bytes <= share * free_bytes
    if wanted == "device" and spec_bytes > free_bytes:
        raise DatasetError(
            f"The data take {size}, but only {free} are free on {device}.",
            "Stream them with --set data.placement=stream, or leave the choice to auto.",
        )
    if wanted == "device" or (wanted == "auto" and fits):
        why = ", as configured" if wanted == "device" else ""
        return "device", 0, f"data: kept whole on {device}{why} ({size} of {free} free)"
    if workers < 0:
        workers = default_workers(device, allowed_cores())
    loaders = {0: "without workers", 1: "by 1 worker"}.get(workers, f"by {workers} workers")
    if wanted == "stream":
        return "stream", workers, f"data: streamed {loaders}, as configured ({size})"
    why = f"{size} are more than may be kept of the {free} free on {device}"
    return "stream", workers, f"data: streamed {loaders}, {why}"


def default_workers(device: torch.device, cores: int) -> int:
    """As many workers as leave the training its cores."""
    if device.type == "cpu":
        return 1 if cores <= 4 else 2
    return max(1, min(_MAX_WORKERS, cores - 1))


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    host_bytes = min(int(psutil.virtual_memory().available), _left_to_group())
    if device.type == "mps":
        left_bytes = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(host_bytes, left_bytes))
    return host_bytes


def _left_to_group() -> int:
    """Bytes that a container's limit, a control group of version 2, leaves to this process."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
        name = next(line[3:] for line in groups if line.startswith("0::"))
        group = Path("/sys/fs/cgroup") / name.lstrip("/")
        limit_bytes = int((group / "memory.max").read_text())
        used_bytes = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
        # Files read long ago count as used, but make room when it is needed.
        cached_bytes = next(int(line.split()[1]) for line in lines if "inactive_file" in line)
    except (OSError, ValueError, StopIteration):
        # No such group, or it is not limited ("max"): the machine's memory is the limit.
        return sys.maxsize
    return max(0, limit_bytes - used_bytes + cached_bytes)
