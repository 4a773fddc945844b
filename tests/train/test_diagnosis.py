"""Known mistakes that show while a run trains."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.train.runs import Runs, read_log
from tui_trainer.core import events, memory_growth
from tui_trainer.models import zoo
from tui_trainer.store.run_folder import RunFolder
from tui_trainer.train import resources


class _Idle(nn.Module):
    """Layers of which one is used."""

    def __init__(self, num_idle: int) -> None:
        super().__init__()
        self.head = nn.Linear(784, 10)
        self.unused = nn.ModuleList(nn.Linear(3, 3) for _ in range(num_idle))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1))


def _found(folder: RunFolder) -> list[events.Diagnosed]:
    return [event for event in read_log(folder) if isinstance(event, events.Diagnosed)]


@pytest.mark.parametrize(
    ("num_idle", "settings", "named"),
    [
        (0, {}, None),
        (1, {}, "unused.0.weight, unused.0.bias in the"),
        (1, {"training__epochs": 1}, "unused.0.weight, unused.0.bias in the"),
        (3, {}, "unused.0.weight, unused.0.bias, unused.1.weight, unused.1.bias, unused.2.weight "
                "and 1 more in the"),
        (3, {"model__freeze": "unused"}, None),
        (1, {"training__epochs": 3, "hardware__activation_checkpointing": True}, "unused.0.weight"),
    ],
)  # fmt: skip
def test_parameters_without_a_gradient_are_named_once(
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    num_idle: int,
    settings: dict[str, Any],
    named: str | None,
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Idle(num_idle))
    found = _found(runs.finish(model__name="mlp", **settings))
    assert [event.code for event in found] == (["T302"] if named else [])
    for event in found:
        assert event.seen.startswith(f"No gradient reached {named}")
        assert event.seen.endswith(" looked at.")
        assert event.step >= 1
        assert "--freeze" in event.advice


class _Dropping(_Idle):
    """Leaves out one of its layers in turn."""

    def __init__(self) -> None:
        super().__init__(0)
        self.blocks = nn.ModuleList(nn.Linear(10, 10) for _ in range(3))
        self.turn = 0

    def forward(self, x: Tensor) -> Tensor:
        self.turn += self.training
        logits = super().forward(x)
        for number, block in enumerate(self.blocks):
            if number != self.turn % 3:
                logits = logits + block(logits)
        return logits


def test_layers_that_only_some_steps_train_are_not_idle(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Dropping())
    settings: dict[str, Any] = {"model__name": "mlp", "checkpoints__every_steps": 1}
    assert _found(runs.finish(**settings)) == []


def test_no_step_no_gradient(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume at the end of a run trains nothing, and finds nothing."""
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=20)
    runs.train(folder, config, resume=True)
    assert _found(folder) == []


def test_memory_that_grows_step_by_step_is_told_of(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [600 << 20]

    def look(self: Any) -> int:
        taken[0] += 8 << 20
        return taken[0]

    monkeypatch.setattr(resources, "_EVERY_S", 0.0)
    monkeypatch.setattr(memory_growth, "_WINDOW_SAMPLES", 1)
    monkeypatch.setattr(memory_growth, "_LEAST_BYTES", 1)
    monkeypatch.setattr(memory_growth, "_LEAST_SHARE", 1.0)
    monkeypatch.setattr(resources.ResourceSampler, "training_bytes", look)
    folder = runs.finish(model__name="mlp", checkpoints__every_steps=1, training__epochs=2)
    (found,) = _found(folder)
    assert (found.code, found.severity) == ("T301", "warning")
    assert found.seen.startswith("Memory grew by 40.0 MiB from step ")
    assert ".detach()" in found.advice


def test_files_that_are_mapped_are_no_memory_of_training(tmp_path: Path) -> None:
    sampler = resources.ResourceSampler(torch.device("cpu"))
    size = 64 << 20
    file = tmp_path / "data"
    file.write_bytes(bytes(size))
    before = sampler.training_bytes()
    mapped = np.memmap(file, mode="r")
    assert not mapped.any()
    assert sampler.training_bytes() - before < 0.5 * size
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        own.write(b"1" * size)
        assert sampler.training_bytes() - before > 0.9 * size
