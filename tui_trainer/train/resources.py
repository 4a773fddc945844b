"""Memory and load of the process, the host and the device, sampled about once a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import psutil
import pynvml
import torch

from tui_trainer.core.events import DeviceResources, Resources

_EVERY_S = 1.0


class ResourceSampler:
    """Asks the operating system, PyTorch and, on NVIDIA, the driver."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._nvml = _nvml_handle(device)
        self._due = 0.0

    def sample_if_due(self) -> Resources | None:
        """A sample, or None within a second of the last."""
        now = time.monotonic()
        if now < self._due:
            return None
        self._due = now + _EVERY_S
        host = psutil.virtual_memory()
        return Resources(
            process_bytes=self._process.memory_info().rss,
            host_used_bytes=host.total - host.available,
            host_total_bytes=host.total,
            cpu_utilization=self._process.cpu_percent() / 100.0 / (psutil.cpu_count() or 1),
            device=self._sample_device(),
        )

    def training_bytes(self) -> int:
        """What the tensors of training take: of the device, else of this process.

        Files mapped into memory, as those of datasets, do not count where the system tells.
        """
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        if self._device.type == "mps":
            return torch.mps.current_allocated_memory()
        memory = self._process.memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))

    def _sample_device(self) -> DeviceResources | None:
        device = self._device
        if device.type == "mps":
            allocated = torch.mps.current_allocated_memory()
            reserved = torch.mps.driver_allocated_memory()
            return DeviceResources(
                allocated_bytes=allocated, reserved_bytes=reserved, peak_bytes=reserved
            )
        if device.type != "cuda":
            return None
        figures = _nvml_figures(self._nvml) if self._nvml is not None else {}
        if not figures:
            free, total = torch.cuda.mem_get_info(device)
            figures = {"used_bytes": total - free, "total_bytes": total}
        return DeviceResources(
            allocated_bytes=torch.cuda.memory_allocated(device),
            reserved_bytes=torch.cuda.memory_reserved(device),
            peak_bytes=torch.cuda.max_memory_allocated(device),
            **figures,
        )


def _nvml_handle(device: torch.device) -> object | None:
    """The driver's handle for a CUDA device, found by UUID: indices differ under masking."""
    if device.type != "cuda":
        return None
    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle: object = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return handle
    except pynvml.NVMLError:
        return None


def _used_by_this_process(handle: object) -> int | None:
    """None where the driver does not know this process, as from inside a container."""
    for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
        if process.pid == os.getpid():
            used: int | None = process.usedGpuMemory
            return used
    return None


def _nvml_figures(handle: object) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    questions: dict[str, Callable[[], float | None]] = {
        "utilization": lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100.0,
        "temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(
            handle, pynvml.NVML_TEMPERATURE_GPU
        ),
        "power_w": lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0,
    }
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return figures
    figures |= {"used_bytes": memory.used, "total_bytes": memory.total}
    questions["process_used_bytes"] = lambda: _used_by_this_process(handle)
    for name, ask in questions.items():
        try:
            figures[name] = ask()
        except pynvml.NVMLError:
            # Not every card has every sensor; what it lacks stays unknown.
            continue
    return figures
