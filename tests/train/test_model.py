"""The model as it is trained: compiled, laid out, its first weights and its frozen parts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.tasks import make_stepper, make_task, prepare_stripes, take_step
from tests.train.runs import Runs, assert_same_run, evaluations, live_steps, messages, read_log
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.errors import DeviceError, TuitrainError
from tui_trainer.models import zoo
from tui_trainer.train.freezing import hold_frozen_norms
from tui_trainer.train.setup import Task


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with stripes; what is compiled goes to it, too."""
    prepare_stripes(tmp_path)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    return tmp_path


def _tiny(spec: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10))


def _losses(task: Task, num_steps: int) -> list[float]:
    stepper = make_stepper(task)
    batches = zip(range(1, num_steps + 1), task.train.shuffled(0, 0), strict=False)
    return [take_step(stepper, batch, step=step, lr=0.01).loss.item() for step, batch in batches]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is here")
def test_a_compiled_model_trains_as_the_plain_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", _tiny)
    plain, compiled = (
        make_task(data, model__name="mlp", hardware__compile=on) for on in (False, True)
    )
    expected = _losses(plain, 5)
    assert _losses(compiled, 5) == pytest.approx(expected, rel=1e-3)
    assert (data / "compiled").is_dir()
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())


def _compile_with(monkeypatch: pytest.MonkeyPatch, backend: Any) -> list[nn.Module]:
    """Have models compiled by a backend that needs no compiler; which were comes back."""
    real, compiled = nn.Module.compile, []

    def compile(self: nn.Module) -> None:
        compiled.append(self)
        real(self, backend=backend)

    monkeypatch.setattr(nn.Module, "compile", compile)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    torch.compiler.reset()
    return compiled


@pytest.mark.parametrize("redo", [False, True], ids=["kept", "computed again"])
def test_a_compiled_run_is_saved_under_plain_names_and_resumed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, redo: bool
) -> None:
    settings = {
        "model__name": "convnet",
        "average__name": "ema",
        "hardware__activation_checkpointing": redo,
    }
    plain = runs.finish(**settings)
    compiled = _compile_with(monkeypatch, "aot_eager")
    folder, config = runs.create(hardware__compile=True, **settings)
    runs.train(folder, config, stop_at=4)
    runs.train(folder, config, resume=True)
    assert [type(model) for model in compiled] == [nn.Sequential] * 2
    first, second = (read_checkpoint(run.checkpoints / folder_name(20)) for run in (plain, folder))
    assert first.model.keys() == second.model.keys()
    for name, tensor in first.model.items():
        torch.testing.assert_close(second.model[name], tensor, rtol=1e-2, atol=1e-3)
    for step, row in live_steps(plain).items():
        assert live_steps(folder)[step] == pytest.approx(row, rel=1e-2, abs=1e-3)
    assert evaluations(folder, "test")[20] == pytest.approx(
        evaluations(plain, "test")[20], rel=1e-2, abs=1e-3
    )


def test_compiling_without_a_compiler_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match=r"needs a C\+\+ compiler") as caught:
        make_task(data, hardware__compile=True)
    assert "--compile" in caught.value.hint


def test_a_failure_of_the_compiler_is_a_sentence(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(graph: Any, examples: Any) -> Any:
        raise RuntimeError("cannot lower that operation.\nmore")

    _compile_with(monkeypatch, refuse)
    folder, config = runs.create(model__name="mlp", hardware__compile=True)
    with pytest.raises(TuitrainError) as caught:
        runs.train(folder, config)
    assert caught.value.message == "torch.compile failed: cannot lower that operation."
    assert caught.value.hint == "Leave --compile out."
    failed = read_log(folder)[-1]
    assert isinstance(failed, events.Failed)
    assert failed.code == "model"


def test_channels_last_changes_nothing_but_the_layout(data: Path) -> None:
    prepare_stripes(data, "mnist")
    tasks = [
        make_task(data, model__name="convnet", hardware__channels_last=on) for on in (True, False)
    ]
    layouts = [
        [
            p.is_contiguous(memory_format=torch.channels_last)
            for p in task.model.parameters()
            if p.dim() == 4 and p.shape[1] > 1
        ]
        for task in tasks
    ]
    assert layouts == [[True, True], [False, False]]
    for one, other in zip(*(task.model.parameters() for task in tasks), strict=True):
        assert torch.equal(one, other)
    first, second = (_losses(task, 10) for task in tasks)
    assert first == pytest.approx(second, rel=1e-2, abs=1e-3)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights for the convnet of another number of classes, some of them ones."""
    spec = prepare_stripes(tmp_path / "other")
    state = zoo.BUILDERS["convnet"](spec).state_dict()
    state["0.weight"] = torch.full_like(state["0.weight"], 0.1)
    state["13.weight"], state["13.bias"] = torch.zeros(4, 576), torch.zeros(4)
    file = tmp_path / "weights.safetensors"
    save_file(state, file)
    return file


_FINE_TUNING = {
    "model__name": "convnet",
    "model__freeze": "0,2",
    "optimizer__lr_scales": "13=10",
    "optimizer__name": "sgd",
    "optimizer__weight_decay": 0.0,
    "optimizer__momentum": 0.0,
}


def test_given_weights_are_frozen_and_trained_at_their_own_pace(data: Path, weights: Path) -> None:
    task = make_task(data, model__init_from=str(weights), **_FINE_TUNING)
    named = dict(task.model.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    assert (before["0.weight"] == 0.1).all()
    assert before["13.weight"].shape[0] == 10
    told = " ".join(task.choices + task.warnings)
    assert "initial weights not loaded, they do not fit: 13.weight" in told
    assert "frozen: 0.weight, 2.weight, 2.bias" in told
    running_mean = task.model.state_dict()["2.running_mean"].clone()
    task.model.train()
    hold_frozen_norms(task.model)
    take_step(make_stepper(task), next(task.train.shuffled(0, 0)), step=1, lr=0.01)
    for name, parameter in named.items():
        if name.startswith(("0.", "2.")):
            assert torch.equal(parameter, before[name])
            continue
        assert parameter.grad is not None
        lr = 0.1 if name.startswith("13.") else 0.01
        torch.testing.assert_close(parameter.detach(), before[name] - lr * parameter.grad)
    assert torch.equal(task.model.state_dict()["2.running_mean"], running_mean)


def test_given_weights_are_used_until_there_is_a_checkpoint(runs: Runs, weights: Path) -> None:
    settings = {"model__init_from": str(weights), **_FINE_TUNING}
    whole = runs.finish(**settings)
    killed, config = runs.create(**settings)

    def kill(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.train(killed, config, at_step=kill)
    assert not list(killed.checkpoints.glob("step-*"))
    runs.train(killed, config, resume=True, stop_at=4)
    assert "no checkpoint yet: training begins at step 0" in messages(killed)
    weights.unlink()
    runs.train(killed, config, resume=True)
    assert_same_run(whole, killed, 20)
