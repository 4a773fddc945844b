"""Where in the passes of a step a number is born that is not finite."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests.tasks import make_stepper, make_task, prepare_stripes
from tui_trainer.models import zoo
from tui_trainer.train import tracing
from tui_trainer.train.freezing import freeze, put_in_training_mode
from tui_trainer.train.tracing import Birth, trace_step


class _Net(nn.Module):
    """Two layers, with something in between."""

    def __init__(self, between: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.flat = nn.Flatten()
        self.body = nn.Sequential(nn.Linear(784, 8), nn.Tanh())
        self.head = nn.Linear(8, 10)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(self.flat(x))))


class _Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


class _Passing(nn.Module):
    """Given and giving tensors in a list within a dict."""

    def forward(self, given: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
        return {"x": [given["x"][0].mul(math.inf)]}


class _Nested(_Net):
    def __init__(self) -> None:
        super().__init__()
        self.passing = _Passing()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(self.flat(x))
        return self.head(self.passing({"x": [hidden]})["x"][0])


def _trace(
    data: Path,
    patch: pytest.MonkeyPatch,
    model: nn.Module,
    *,
    spoil: Callable[[Tensor], Any] | None = None,
    **settings: Any,
) -> Birth | None:
    patch.setitem(zoo.BUILDERS, "mlp", lambda spec: model)
    prepare_stripes(data)
    task = make_task(data, model__name="mlp", **settings)
    batch = next(task.train.shuffled(0, 0))
    if spoil is not None:
        spoil(batch.x)
    is_compiled = task.config.hardware.compile
    return trace_step(make_stepper(task), batch, 1, is_compiled=is_compiled)


def _spoil(model: nn.Module, name: str, value: float) -> nn.Module:
    with torch.no_grad():
        model.get_parameter(name).view(-1)[0] = value
    return model


_OPTIONS = [
    {},
    {"optimizer__accumulate": 2},
    {"augment__mixup": 0.4},
    {"hardware__activation_checkpointing": True},
    {"hardware__precision": "bf16"},
]


@pytest.mark.parametrize("settings", _OPTIONS)
def test_a_healthy_step_has_no_birth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    model = _Net()
    assert _trace(tmp_path, monkeypatch, model, **settings) is None
    modules = list(model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    assert not torch.is_anomaly_enabled()


@pytest.mark.parametrize("settings", _OPTIONS)
def test_an_output_that_overflows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    model = _Net(lambda x: x.abs() + 1)
    with torch.no_grad():
        model.head.weight.fill_(3e38)
    birth = _trace(tmp_path, monkeypatch, model, **settings)
    assert birth is not None
    assert birth[:4] == ("forward", "head (Linear)", "", "")
    assert 1 < birth.input_max <= 2.01
    assert birth.weight_max == pytest.approx(3e38, rel=0.01)


def test_a_module_that_is_given_lists_and_dicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    birth = _trace(tmp_path, monkeypatch, _Nested())
    assert birth is not None
    assert birth[:2] == ("forward", "passing (_Passing)")


def test_a_number_born_between_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    birth = _trace(tmp_path, monkeypatch, _Net(lambda x: (x * 0).log()))
    assert birth == Birth("forward", "the model (_Net)")


@pytest.mark.parametrize(
    ("between", "operation"),
    [
        (lambda x: x + (x * 0).sqrt(), "sqrt"),
        (lambda x: x + (x * 0).sum(1, keepdim=True).pow(0.5), "pow"),
        (lambda x: x + torch.where(x > 9, (x * 0).log(), x), "log"),
    ],
)
@pytest.mark.parametrize("settings", _OPTIONS[:4])
def test_a_gradient_born_in_an_operation(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    between: Any,
    operation: str,
) -> None:
    birth = _trace(tmp_path, monkeypatch, _Net(between), **settings)
    assert birth is not None
    assert birth[:3] == ("backward", "the model (_Net)", operation)
    assert birth.line == f"{Path(__file__).name}:{between.__code__.co_firstlineno}"


def test_a_gradient_born_in_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is 0 forward passes any weights, but not its gradient.
    between = nn.Linear(8, 8, bias=False)
    model = _Net(nn.Sequential(_Zero(), between))
    with torch.no_grad():
        between.weight.fill_(1e30)
        model.head.weight.mul_(1e30)
    birth = _trace(tmp_path, monkeypatch, model)
    assert birth is not None
    assert birth[:2] == ("backward", "between.1 (Linear)")


@pytest.mark.parametrize("name", ["body.0.weight", "head.bias"])
def test_weights_that_were_not_finite_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    birth = _trace(tmp_path, monkeypatch, _spoil(_Net(), name, math.nan))
    assert birth == Birth("weights", name)


def test_a_batch_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    birth = _trace(tmp_path, monkeypatch, _Net(), spoil=lambda x: x[3, 0, 0].fill_(-math.inf))
    assert birth == Birth("batch")


def _root_loss(outputs: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs, labels) + (outputs * 0).sum().sqrt()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (_root_loss, ("backward", "the loss", "sqrt")),
        (lambda outputs, labels: outputs.sum() * math.inf, ("forward", "the loss", "")),
    ],
)
def test_a_number_born_in_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: Any, expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(
        "tui_trainer.evaluate.loss.CrossEntropy._reduce", lambda _, x, y, __: loss(x, y)
    )
    birth = _trace(tmp_path, monkeypatch, _Net())
    assert birth is not None
    assert birth[:3] == expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler is here")
def test_a_compiled_model_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    model = _Net(lambda x: (x * 0).log())
    birth = _trace(tmp_path, monkeypatch, model, hardware__compile=True)
    assert birth == Birth("forward", "the model (_Net)")


class _Masking(_Net):
    """Attention whose mask holds −∞, as masks do; the trouble is in its last line."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.TransformerEncoderLayer(28, 2, 8, batch_first=True, dropout=0.0)
        self.out = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(28)
        logits = self.out(self.attention(x[:, 0], mask).flatten(1))
        return logits + (logits * 0).sum(1, keepdim=True).sqrt()


def test_a_mask_of_infinities_is_no_birth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    birth = _trace(tmp_path, monkeypatch, _Masking())
    assert birth is not None
    assert birth[:3] == ("backward", "the model (_Masking)", "sqrt")


def test_infinities_that_do_no_harm_are_no_birth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = nn.Sequential(nn.Tanh(), _Masked(), nn.Softmax(1))
    assert _trace(tmp_path, monkeypatch, _Net(masked)) is None
    birth = _trace(tmp_path, monkeypatch, _Net(nn.Sequential(masked, _Root())))
    assert birth is not None
    assert birth[:3] == ("backward", "between.1 (_Root)", "sqrt")


class _Masked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(torch.arange(8) > 5, -math.inf)


class _Root(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
def test_a_module_that_takes_no_hooks_belongs_to_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = torch.jit.trace(_Root(), torch.zeros(1, 8))
    birth = _trace(tmp_path, monkeypatch, _Net(nn.Sequential(_Zero(), scripted)))
    assert birth is not None
    assert birth.kind == "backward"
    assert birth.place.startswith("between (")


def test_lines_of_libraries_are_not_the_users_own() -> None:
    frames = [
        '  File "/home/ada/net.py", line 7, in forward\n    y = f(x)\n',
        f'  File "{torch.__file__}", line 9, in f\n    g(x)\n',
        '  File "<frozen runpy>", line 88, in _run_code\n',
        f'  File "{os.__file__}", line 5, in path\n',
        f'  File "{tracing.__file__}", line 5, in trace\n',
    ]
    for given, line in ((frames, "net.py:7"), (frames[1:], "")):
        node = SimpleNamespace(name=lambda: "LogSoftmaxBackward0", metadata={"traceback_": given})
        assert tracing._operation_of(cast(Any, node)) == ("log_softmax", line)


def test_norms_that_are_frozen_stay_at_rest(tmp_path: Path) -> None:
    """As `explain_step` sets a model up: what they gave in the step is what they give again."""
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    freeze(model, "0")
    put_in_training_mode(model)
    assert model.training and model[1].training and not model[0].training
