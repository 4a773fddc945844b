"""What only a GPU can show; skipped without one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks import configure, make_stepper, own_code, prepare_stripes, take_step
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.core.jobs import TrainJob
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, read_run
from tui_trainer.train.figures import FigureGatherer
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.train.setup import set_up
from tui_trainer.worker.session import run_session

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here"),
]

_CUDA = {"hardware__device": "cuda", "hardware__threads": 1}


def _train(
    tmp_path: Path, folder: RunFolder | None, interrupts: Interrupts, **settings: Any
) -> RunFolder:
    config = configure(**_CUDA, training__epochs=3, **settings)
    resume = folder is not None
    if folder is None:
        environment = capture_environment(["test"], with_code=False)
        folder = Registry(tmp_path / "runs").create(environment, encode_config(config))
    job = TrainJob(
        run_path=str(folder.path),
        data_dir=str(tmp_path / "data"),
        config=config,
        session=f"session-{resume}",
        resume=resume,
    )
    run_session(job, interrupts)
    return folder


@pytest.mark.parametrize("model", ["convnet", "mnist-example", "mlp"])
def test_stopped_and_resumed_is_the_same_run_to_the_bit(tmp_path: Path, model: str) -> None:
    prepare_stripes(tmp_path / "data")
    whole = _train(tmp_path, None, Interrupts(), model__name=model)
    cut = _train(tmp_path, None, Interrupts(stop_signal=2), model__name=model)
    assert read_run(cut).state == "stopped"
    _train(tmp_path, cut, Interrupts(), model__name=model)
    step = read_run(whole).snapshot.step
    first, second = (read_checkpoint(run.checkpoints / folder_name(step)) for run in (whole, cut))
    for name, tensor in first.model.items():
        assert torch.equal(tensor, second.model[name]), name
    for name, tensor in first.optimizer_tensors.items():
        assert torch.equal(tensor, second.optimizer_tensors[name]), name


def test_device_memory_is_sampled(tmp_path: Path) -> None:
    prepare_stripes(tmp_path / "data")
    folder = _train(tmp_path, None, Interrupts())
    log = EventLogReader(folder.events).read().events
    samples = [e.device for e in log if isinstance(e, events.Resources) and e.device]
    assert samples
    device = samples[-1]
    assert 0 < device.allocated_bytes <= device.reserved_bytes
    assert device.allocated_bytes <= device.peak_bytes
    assert device.used_bytes is not None
    assert (
        device.total_bytes == torch.cuda.get_device_properties(0).total_memory
        or (device.total_bytes or 0) >= device.used_bytes
    )
    assert read_run(folder).snapshot.device == "cuda:0"


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"])
def test_a_step_that_is_not_finite_changes_no_weight(tmp_path: Path, optimizer: str) -> None:
    prepare_stripes(tmp_path)
    config = configure(**_CUDA, model__name="mlp", optimizer__name=optimizer)
    task = set_up(config, tmp_path, threads=1, choices=[], code=own_code(tmp_path, config))
    stepper = make_stepper(task)
    batch = next(task.train.shuffled(0, 0))
    take_step(stepper, batch, step=1, lr=0.01)
    before = torch.cat([p.detach().flatten() for p in task.model.parameters()]).clone()
    x_poisoned = batch.x.clone()
    x_poisoned[0, 0, 0, 0] = math.nan
    take_step(stepper, batch._replace(x=x_poisoned), step=2, lr=0.01)
    after = torch.cat([p.detach().flatten() for p in task.model.parameters()])
    assert torch.equal(after, before)


def test_blocks_arrive_whole_one_late() -> None:
    device = torch.device("cuda", 0)
    gatherer = FigureGatherer(device, ("loss", "grad_norm", "correct", "counted"))
    for step in range(1, 41):
        for figure in gatherer.next_row():
            figure.fill_(step)
        gatherer.add(step, 0.1, 1)
        if step == 20:
            assert gatherer.send() == []
    first, second = gatherer.drain()
    assert (first.first, second.first) == (1, 21)
    assert [*first.loss, *second.loss] == [float(step) for step in range(1, 41)]
    assert gatherer.drain() == []
