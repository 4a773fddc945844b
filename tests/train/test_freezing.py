"""Freezing: what is named stays as it is, its statistics too, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD

from tui_trainer.errors import ConfigError, ModelError
from tui_trainer.train.freezing import freeze, hold_frozen_norms, names_part


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.bn1 = nn.BatchNorm2d(2)
        self.layer1 = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2, affine=False))
        self.layer10 = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2))
        self.head = nn.Linear(8, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits B×3."""
        x_BCHW = self.layer10(self.layer1(self.bn1(self.conv1(x_BCHW))))
        logits_BK: Tensor = self.head(x_BCHW.flatten(1))
        return logits_BK


def _train(model: nn.Module) -> None:
    optimizer = SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        model.train()
        hold_frozen_norms(model)
        optimizer.zero_grad()
        model(torch.randn(4, 1, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()


def _changed(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in model.state_dict().items() if not value.equal(before[name])}


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        ("conv1", ["conv1.weight", "conv1.bias"]),
        ("layer1", ["layer1.0.weight", "layer1.0.bias"]),
        (" conv1.bias , head.weight ", ["conv1.bias", "head.weight"]),
        ("layer1*", [f"layer1{n}" for n in (".0.weight", ".0.bias", "0.0.weight", "0.0.bias",
                                            "0.1.weight", "0.1.bias")]),
        ("*.bias", ["conv1.bias", "bn1.bias", "layer1.0.bias", "layer10.0.bias", "layer10.1.bias",
                    "head.bias"]),
        ("layer?", ["layer1.0.weight", "layer1.0.bias"]),
        ("", []),
        (" , ", []),
    ],
)  # fmt: skip
def test_what_is_named_is_frozen_and_nothing_else(patterns: str, frozen: list[str]) -> None:
    model = _Net()
    assert freeze(model, patterns) == frozen
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == frozen


def test_frozen_parts_stay_as_they_are_to_the_bit() -> None:
    model = _Net()
    before = copy.deepcopy(model.state_dict())
    frozen = freeze(model, "conv1,bn1,layer1")
    _train(model)
    changed = _changed(model, before)
    assert not changed & set(frozen)
    # The statistics of norms neither, with or without parameters of their own.
    assert {name.partition(".")[0] for name in changed} == {"layer10", "head"}
    assert {"layer10.1.running_mean", "head.weight"} <= changed


def test_a_norm_that_is_frozen_in_part_follows_its_data() -> None:
    model = _Net()
    freeze(model, "bn1.weight")
    before = copy.deepcopy(model.state_dict())
    _train(model)
    assert {"bn1.running_mean", "bn1.bias"} <= _changed(model, before)


def test_frozen_norms_are_held_in_a_copy_too() -> None:
    model = _Net()
    freeze(model, "bn1")
    copied = copy.deepcopy(model).train()
    hold_frozen_norms(copied)
    assert not copied.bn1.training
    assert copied.layer10.training
    assert copied.conv1.training


def test_nothing_is_held_where_nothing_is_frozen() -> None:
    model = _Net().train()
    hold_frozen_norms(model)
    assert all(module.training for module in model.modules())


def test_tied_weights_are_frozen_by_either_name() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    assert freeze(model, "b") == ["b.weight", "b.bias"]
    assert not model["a"].weight.requires_grad
    assert model["a"].bias.requires_grad


@pytest.mark.parametrize(
    ("patterns", "hint"),
    [
        ("conv2", "conv1"),
        ("head,layer11", "layer1"),
        ("bn1.wieght", "bn1.weight"),
        ("zzz", "Choose"),
    ],
)
def test_a_pattern_that_matches_nothing_is_named(patterns: str, hint: str) -> None:
    model = _Net()
    with pytest.raises(ConfigError, match=patterns.rpartition(",")[2]) as caught:
        freeze(model, patterns)
    assert hint in caught.value.hint
    assert all(p.requires_grad for p in model.parameters())


def test_a_model_with_nothing_left_to_train_is_refused() -> None:
    model = _Net()
    with pytest.raises(ModelError, match="nothing left to train"):
        freeze(model, "*")
    assert all(p.requires_grad for p in model.parameters())
    model.head.requires_grad_(False)
    with pytest.raises(ModelError):
        freeze(model, "conv1,bn1,layer*")


_names = st.lists(st.text("abc1", min_size=1, max_size=4), min_size=1, max_size=4).map(".".join)


@given(_names, _names)
def test_a_plain_name_matches_itself_and_what_is_inside(name: str, inner: str) -> None:
    assert names_part(name, name)
    assert names_part(name, f"{name}.{inner}")
    assert not names_part(name, f"{name}1.{inner}") or inner.startswith(name)
    assert not names_part(f"{name}.{inner}", name)
