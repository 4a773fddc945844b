"""The device is the one asked for, or an error."""

from __future__ import annotations

import pytest
import torch

from tui_trainer.core.config.hardware import HardwareConfig
from tui_trainer.errors import DeviceError
from tui_trainer.train.hardware import choose_device, device_title, make_repeatable


def test_auto_takes_what_is_here_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    device, reason = choose_device(HardwareConfig())
    assert device.type == "cpu"
    assert "no GPU was found" in reason
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert str(choose_device(HardwareConfig())[0]) == "cuda:0"


@pytest.mark.parametrize(
    ("wanted", "count", "words"),
    [("cuda", 0, "no CUDA device"), ("cuda:1", 1, "1 CUDA device"), ("cuda:2", 0, "no CUDA")],
)
def test_a_device_that_is_not_here_is_an_error(
    monkeypatch: pytest.MonkeyPatch, wanted: str, count: int, words: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(DeviceError, match=words) as caught:
        choose_device(HardwareConfig(device=wanted))
    assert "--device cpu" in caught.value.hint


def test_mps_that_is_not_here_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="Apple GPU"):
        choose_device(HardwareConfig(device="mps"))


def test_the_processor_has_a_name() -> None:
    assert device_title(torch.device("cpu"))


def test_cudnn_is_told_to_repeat_itself() -> None:
    make_repeatable(strictly=False)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
