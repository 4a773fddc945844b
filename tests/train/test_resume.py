"""Going on from a checkpoint: all of it or a sentence, and what is not exact in words."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD

from tests.tasks import configure
from tests.train.runs import Runs, assert_same_run, live_steps
from tui_trainer.checkpoints.read import Checkpoint, read_checkpoint
from tui_trainer.checkpoints.snapshot import take_snapshot
from tui_trainer.checkpoints.state import EpochTotals, Fingerprint, TrainingState
from tui_trainer.checkpoints.write import save_checkpoint
from tui_trainer.core.config.average import AverageConfig
from tui_trainer.errors import CheckpointError
from tui_trainer.train.averaging import WeightAverage, build_average
from tui_trainer.train.resume import compare_fingerprints, restore, restore_average
from tui_trainer.train.setup import Task

_FINGERPRINT = Fingerprint(data_sha256="d", torch="2.15", device="cpu", threads=1)


def _model(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def _average(model: nn.Module, name: str) -> WeightAverage | None:
    return build_average(AverageConfig(name=cast(Any, name)), model, epochs=4)


def _task(seed: int, average: str = "none", **changes: Any) -> Task:
    """What `restore` looks at of a task."""
    model = _model(seed)
    parts = {
        "model": model,
        "optimizer": SGD(model.parameters(), lr=0.1, momentum=0.9),
        "average": _average(model, average),
        "steps_per_epoch": 5,
        "fingerprint": _FINGERPRINT,
        "config": configure(model__name="mlp"),
        "code": {},
    }
    return cast(Task, SimpleNamespace(**parts | changes))


def _checkpoint(folder: Path, average: str = "none", step: int = 5) -> Checkpoint:
    """A checkpoint of a task after one update."""
    task = _task(1, average)
    task.model(torch.randn(4, 3)).sum().backward()
    task.optimizer.step()
    averaged = None
    if task.average is not None:
        task.average.after_step(1)
        task.average.after_epoch(4, lambda: [torch.randn(4, 3)])
        averaged = task.average.tensors()
    state = TrainingState(
        step=step,
        steps_per_epoch=5,
        lr_scale=1.0,
        best=None,
        totals=EpochTotals(),
        fingerprint=_FINGERPRINT,
        average_count=task.average.count if task.average is not None else 0,
    )
    saved = save_checkpoint(folder, take_snapshot(task.model, task.optimizer, state, averaged))
    return read_checkpoint(folder / saved.folder)


@pytest.mark.parametrize("average", ["none", "ema", "swa"])
def test_everything_is_put_back(tmp_path: Path, average: str) -> None:
    checkpoint, task = _checkpoint(tmp_path, average), _task(2, average)
    assert restore(task, checkpoint) == []
    for name, value in checkpoint.model.items():
        assert value.equal(task.model.state_dict()[name]), name
    buffers = [entries["momentum_buffer"] for entries in task.optimizer.state.values()]
    assert len(buffers) == 6
    assert any(buffer.any() for buffer in buffers)
    if task.average is not None:
        assert task.average.count == 1
        assert checkpoint.averaged is not None
        state = task.average.model.state_dict()
        assert all(value.equal(state[name]) for name, value in checkpoint.averaged.items())


def test_an_average_that_only_one_side_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="this run makes none") as caught:
        restore(_task(2), _checkpoint(tmp_path / "a", "ema"))
    assert "average.name" in caught.value.hint
    with pytest.raises(CheckpointError, match="holds no averaged weights"):
        restore(_task(2, "ema"), _checkpoint(tmp_path / "b"))


def test_an_average_that_has_not_begun_needs_no_weights(tmp_path: Path) -> None:
    model = _model(2)
    for name, step in [("swa", 5), ("ema", 0)]:
        average = _average(model, name)
        restore_average(average, _checkpoint(tmp_path / name, step=step))
        assert average is not None
        assert not average.is_ready


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="does not fit the model mlp"):
        restore(_task(2, model=nn.Linear(2, 2)), checkpoint)
    with pytest.raises(CheckpointError, match=r"An epoch had 5 steps .* and has 6 now"):
        restore(_task(2, steps_per_epoch=6), checkpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data_sha256": "e"}, ("the data changed from d to e", "approximate")),
        ({"data_sha256": "e" * 64}, (f"the data changed from d to {'e' * 12}", "approximate")),
        ({"torch": "2.16"}, ("PyTorch changed from 2.15 to 2.16", "sample-exact")),
        ({"device": "cuda"}, ("the device changed from cpu to cuda", "sample-exact")),
        ({"threads": 2}, ("the number of threads changed from 1 to 2", "sample-exact")),
        ({"precision": "bf16"}, ("the precision changed from fp32 to bf16", "approximate")),
        ({"compile": True}, ("compilation changed from off to on", "sample-exact")),
        ({"numpy": "2.1"}, ("NumPy changed from 2.0 to 2.1", "sample-exact")),
        (
            {"device_name": "Abacus"},
            ("the device's name changed from Loom to Abacus", "sample-exact"),
        ),
    ],
)
def test_what_is_not_exact_is_said(change: dict[str, Any], words: tuple[str, str]) -> None:
    before = msgspec.structs.replace(_FINGERPRINT, numpy="2.0", device_name="Loom")
    assert compare_fingerprints(before, before) == []
    now = msgspec.structs.replace(before, **change)
    assert compare_fingerprints(before, now) == [words]


def test_what_an_older_version_did_not_look_at_is_not_a_difference() -> None:
    now = msgspec.structs.replace(_FINGERPRINT, numpy="2.1", device_name="Abacus")
    assert compare_fingerprints(_FINGERPRINT, now) == []


_DRAWING = """
import random

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(784, 10)

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            x = x * random.random() + np.random.rand() + torch.rand(()) + torch.rand_like(x)
        return self.head(x)
"""


def test_own_code_may_draw_from_any_generator(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "drawing.py").write_text(_DRAWING)
    settings = {"model__name": f"{tmp_path}/drawing.py:Net"}
    whole = runs.finish(**settings)
    cut, config = runs.create(**settings)
    runs.train(cut, config, stop_at=7)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    runs.train(cut, config, resume=True)
    assert_same_run(whole, cut, 20)
    losses = [row[0] for row in live_steps(whole).values()]
    assert len(set(losses)) == 20
