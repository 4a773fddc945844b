"""Choosing the device and the threads, and saying why."""

from __future__ import annotations

import os

import torch

from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.errors import DeviceError


def choose_device(config: HardwareConfig) -> tuple[torch.device, str]:
    """The device to train on, and the reason in a few words.

    Raises:
        DeviceError: the device asked for is not here.
    """
    wanted = config.device
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0), "device cuda:0: the first GPU found"
        if torch.backends.mps.is_available():
            return torch.device("mps"), "device mps: Apple's GPU was found"
        return torch.device("cpu"), "device cpu: no GPU was found"
    if wanted.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(wanted.partition(":")[2] or 0)
        if index >= count:
            there = f"{count} CUDA device(s) only" if count else "no CUDA device"
            raise DeviceError(
                f"The device {wanted} is not here: PyTorch sees {there}.",
                "Use --device cpu or --device auto, or mend the driver (nvidia-smi tells).",
            )
        return torch.device("cuda", index), f"device cuda:{index}: asked for"
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(
            "The device mps is not here: PyTorch sees no Apple GPU.",
            "Use --device cpu or --device auto.",
        )
    return torch.device(wanted), f"device {wanted}: asked for"


def check_debugging(config: HardwareConfig, device: torch.device) -> None:
    """Refuse to look into the kernels of a GPU where none is used.

    Raises:
        DeviceError: the device is no NVIDIA GPU.
    """
    if config.debug_cuda and device.type != "cuda":
        raise DeviceError(
            f"--debug-cuda is for an NVIDIA GPU, but the device is {device.type}.",
            "Leave it out: here an error is named where it happens; --detect-anomaly finds NaN.",
        )


def device_title(device: torch.device) -> str:
    """The name of the hardware behind a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else _processor_name()


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        # Not Linux: the platform module knows a coarser name.
        pass
    import platform

    return platform.processor() or platform.machine()


def set_threads(threads: int) -> None:
    """Bound the processor threads of this process."""
    torch.set_num_threads(threads)


def look_for_anomalies(*, on: bool) -> None:
    """Have autograd look at every gradient for NaN, and stop at the operation that made it."""
    torch.autograd.set_detect_anomaly(on)


def make_repeatable(*, strictly: bool) -> None:
    """Have cuDNN choose kernels that give the same numbers every time.

    Without it two runs of one seed drift apart, and a resumed run from an uninterrupted one.
    `strictly` makes PyTorch refuse every operation that has no such kernel.
    """
    if strictly:
        # What cuBLAS asks for, read when CUDA is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
