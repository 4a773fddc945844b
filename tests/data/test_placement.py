"""Where data are kept, and what is said about it."""

from __future__ import annotations

import pytest
import torch

from tests.data.samples import CPU
from tui_trainer.core.format import format_bytes
from tui_trainer.data import placement
from tui_trainer.data.placement import choose_placement, default_workers, free_memory
from tui_trainer.errors import DatasetError

_GIB = 1 << 30


@pytest.fixture(autouse=True)
def nine_gib_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "free_memory", lambda device: 9 * _GIB)
    monkeypatch.setattr(placement, "allowed_cores", lambda: 4)


@pytest.mark.parametrize(
    ("size", "wanted", "workers", "expected"),
    [
        (3 * _GIB, "auto", -1, ("device", 0, "data: kept whole on cpu (3.0 GiB of 9.0 GiB free)")),
        (
            3 * _GIB + 1,
            "auto",
            -1,
            (
                "stream",
                1,
                "data: streamed by 1 worker, 3.0 GiB are more than may be kept of the "
                "9.0 GiB free on cpu",
            ),
        ),
        (
            8 * _GIB,
            "device",
            3,
            ("device", 0, "data: kept whole on cpu, as configured (8.0 GiB of 9.0 GiB free)"),
        ),
        (5, "stream", 3, ("stream", 3, "data: streamed by 3 workers, as configured (5 B)")),
        (5, "stream", 0, ("stream", 0, "data: streamed without workers, as configured (5 B)")),
    ],
)
def test_the_choice_goes_by_size_and_is_explained(
    size: int, wanted: str, workers: int, expected: tuple[str, int, str]
) -> None:
    assert choose_placement(size, CPU, wanted, workers) == expected


def test_a_macs_gpu_keeps_less() -> None:
    assert choose_placement(2 * _GIB, torch.device("mps"), "auto", -1)[0] == "stream"
    assert choose_placement(1 * _GIB, torch.device("mps"), "auto", -1)[0] == "device"


def test_what_cannot_fit_is_refused_where_it_was_asked_for() -> None:
    with pytest.raises(DatasetError, match=r"take 9\.1 GiB, but only 9\.0 GiB are free on cpu"):
        choose_placement(int(9.1 * _GIB), CPU, "device", -1)


@pytest.mark.parametrize(
    ("device", "cores", "workers"),
    [("cpu", 1, 1), ("cpu", 4, 1), ("cpu", 16, 2), ("cuda", 1, 1), ("cuda", 4, 3), ("cuda", 99, 8)],
)
def test_workers_leave_training_its_cores(device: str, cores: int, workers: int) -> None:
    assert default_workers(torch.device(device), cores) == workers


def test_some_memory_is_free_here() -> None:
    free_bytes = free_memory(CPU)
    assert 0 < free_bytes < 1 << 50, format_bytes(free_bytes)
