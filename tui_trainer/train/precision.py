"""The numbers that a model is computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch.amp import GradScaler

from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.errors import DeviceError


@dataclass(frozen=True)
class Precision:
    """How to compute: under autocast or not, with a scaled loss or not."""

    name: str
    autocast_dtype: torch.dtype | None
    scaler: GradScaler | None
    device_type: str

    def autocast(self) -> AbstractContextManager[object]:
        """The context that a forward pass is computed in; the loss is computed in float32."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(self.device_type, self.autocast_dtype)


_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(config: HardwareConfig, device: torch.device) -> Precision:
    """Settle the precision for a device, and set PyTorch's switches for it.

    Raises:
        DeviceError: the device cannot compute in it.
    """
    name = config.precision
    if name == "tf32":
        _check_tf32(device)
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise DeviceError(f"{_title(device)} does not compute in bf16.", "Use fp16 or fp32.")
    # Also for fp32: PyTorch lets cuDNN round to TF32 unless told otherwise.
    torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    scaler = GradScaler(device.type) if name == "fp16" else None
    return Precision(name, _DTYPES.get(name), scaler, device.type)


def _check_tf32(device: torch.device) -> None:
    if device.type != "cuda":
        raise DeviceError(
            f"TF32 is a format of NVIDIA GPUs, and this run is on {device.type}.",
            "Use --precision fp32 or bf16.",
        )
    if torch.cuda.get_device_capability(device) < (8, 0):
        raise DeviceError(f"{_title(device)} is too old for TF32.", "Use --precision fp32 or fp16.")


def _title(device: torch.device) -> str:
    return torch.cuda.get_device_name(device)


def pack_scaler(scaler: GradScaler | None) -> dict[str, float] | None:
    """What a checkpoint keeps of the loss scaler."""
    if scaler is None:
        return None
    # A sync point: the scale lives on the device.
    state = scaler.state_dict()
    return {"scale": float(state["scale"]), "growth_tracker": float(state["_growth_tracker"])}


def unpack_scaler(scaler: GradScaler, packed: dict[str, float]) -> None:
    """Put back what `pack_scaler` took."""
    scaler.load_state_dict(
        scaler.state_dict()
        | {"scale": packed["scale"], "_growth_tracker": int(packed["growth_tracker"])}
    )
