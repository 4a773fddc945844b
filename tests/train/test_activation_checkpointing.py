"""Activations computed again for backward: the same run to the bit, in less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.models import resnet18

from tests.train.runs import Runs, assert_same_run
from tui_trainer.train import model as module
from tui_trainer.train.model import checkpoint_activations


class Stem(nn.Module):
    """A module of modules: a list, a call by name, two results, an activation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.norm = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
        self.act = nn.SiLU(inplace=True)
        self.recurrent = nn.GRU(8, 4, batch_first=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×D."""
        for block in self.blocks:
            x_BCHW = self.act(block(input=x_BCHW))
        states_BHD, _ = self.recurrent(self.norm(x_BCHW).mean(1))
        y_BCHD: Tensor = x_BCHW[..., :4] * states_BHD[:, None]
        return y_BCHD


def _sequence() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.SiLU(),
        # Begins a segment of three, were it not to change what it is given.
        nn.SiLU(inplace=True),
        nn.Dropout(0.3),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.BatchNorm2d(4, momentum=None),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(4 * 64, 3),
    )


def _nested() -> nn.Module:
    wide = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh()] * 3)
    return nn.Sequential(wide, nn.Sequential(nn.Flatten(), nn.Linear(4 * 64, 3)))


class Wrapped(nn.Module):
    """A model that keeps all its layers in one sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _sequence()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×K."""
        logits_BK: Tensor = self.layers(x_BCHW)
        return logits_BK


def _resnet() -> nn.Module:
    model: nn.Module = resnet18(num_classes=3)
    model.conv1 = nn.Conv2d(4, 64, 3, bias=False)
    return model


_MODELS: dict[str, Callable[[], nn.Module]] = {
    "sequence": _sequence,
    "nested": _nested,
    "wrapped": Wrapped,
    "modules": Stem,
    "resnet18": _resnet,
}


def _train(model: nn.Module) -> tuple[float, int]:
    """Two backward passes; the last loss, and the bytes kept for it between its passes."""
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {parameter.data_ptr() for parameter in model.parameters()}
    torch.manual_seed(1)
    for step in range(2):
        x_BCHW = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(step))
        saved.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(x_BCHW).square().mean()
        loss.backward()
    return loss.item(), sum(size for place, size in saved.items() if place not in weights)


@pytest.mark.parametrize("name", _MODELS)
def test_activations_computed_again_change_nothing_but_the_memory(name: str) -> None:
    torch.manual_seed(0)
    plain = _MODELS[name]()
    redone = copy.deepcopy(plain)
    checkpoint_activations(redone)
    loss, saved_bytes = _train(plain)
    assert _train(redone)[0] == loss
    assert _train(redone)[1] < 0.7 * saved_bytes
    _train(plain)
    for one, other in zip(plain.parameters(), redone.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(other.grad, one.grad)
    for key, value in plain.state_dict().items():
        assert torch.equal(redone.state_dict()[key], value), key
    assert list(redone.state_dict()) == list(plain.state_dict())


def test_nothing_is_computed_again_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noted(*inputs: Any, **named: Any) -> Any:
        calls.append("in parts")
        return checkpoint(*inputs, **named)

    monkeypatch.setattr(module, "checkpoint", noted)
    model = _sequence().eval()
    x_BCHW = torch.randn(2, 4, 8, 8)
    expected = model(x_BCHW)
    checkpoint_activations(model)
    model[0].register_forward_hook(lambda *_: calls.append("layer"))  # type: ignore[index]
    with torch.inference_mode():
        assert torch.equal(model(x_BCHW), expected)
    assert calls == ["layer"]
    model(x_BCHW).sum().backward()
    assert calls == ["layer", "in parts", "layer", "in parts", "in parts", "layer"]


@pytest.mark.parametrize("model", ["convnet", "mnist-example", "resnet-small"])
def test_a_run_with_activations_computed_again_is_the_same_run(runs: Runs, model: str) -> None:
    settings = {"model__name": model, "training__epochs": 1, "average__name": "ema"}
    plain = runs.finish(**settings)
    redone = runs.finish(hardware__activation_checkpointing=True, **settings)
    assert_same_run(plain, redone, 10)


class Impatient(nn.Module):
    """A layer that changes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x_BF: Tensor) -> Tensor:
        """B×F."""
        y_BF: Tensor = self.layer(x_BF.mul_(2))
        return y_BF


class Fickle(Impatient):
    """A layer that is another one when it is used again."""

    def forward(self, x_BF: Tensor) -> Tensor:
        """B×F."""
        self.training = not self.training
        y_BF: Tensor = self.layer(x_BF)
        return y_BF if self.training else y_BF.exp().tanh()


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Impatient, "one of the variables needed for gradient computation has been modified"),
        (Fickle, "A different number of tensors was saved during the original forward"),
    ],
)
def test_what_cannot_be_computed_again_is_a_sentence(layer: type[nn.Module], said: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), layer(), nn.Linear(4, 4))
    checkpoint_activations(model)
    with pytest.raises(RuntimeError) as caught:
        model(torch.randn(2, 4)).sum().backward()
    error = module.explain_recompute_error(caught.value)
    assert error is not None
    assert f"cannot be computed again: {said}" in error.message
    assert "\n" not in error.message
    assert error.hint == "Leave --activation-checkpointing out."
    assert module.explain_recompute_error(RuntimeError("mat1 and mat2 do not fit")) is None
