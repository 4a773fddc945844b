"""A user's own model is built by what its signature asks for, and tried before it is trained."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.specs import task_spec
from tui_trainer.core.specs import DatasetSpec, Kind
from tui_trainer.errors import ModelError
from tui_trainer.models.user_code import LoadedCode
from tui_trainer.models.user_model import build_user_model, trial_inputs

_SHAPES: dict[Kind, tuple[int, ...]] = {"image": (3, 8, 6), "table": (5,), "tokens": (7,)}


def make_spec(kind: Kind = "image") -> DatasetSpec:
    return DatasetSpec(
        name="things",
        title="things",
        kind=kind,
        shape=_SHAPES[kind],
        classes=("a", "b", "c", "d"),
        mean=(),
        std=(),
        splits={},
        origin="test",
        vocabulary=11 if kind == "tokens" else 0,
    )


def code(thing: object) -> LoadedCode:
    return LoadedCode("net.py:Net", "model", thing, Path(__file__), "0" * 64)


def build(thing: object, kind: Kind = "image", seed: int = 0) -> nn.Module:
    model, warnings = build_user_model(code(thing), make_spec(kind), seed)
    assert warnings == []
    return model


def warnings_of(thing: object) -> list[str]:
    return build_user_model(code(thing), make_spec(), 0)[1]


def refused(thing: object, kind: Kind = "image") -> str:
    with pytest.raises(ModelError) as caught:
        build_user_model(code(thing), make_spec(kind), 0)
    assert caught.value.message.startswith("The model net.py:Net ")
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


class Linear(nn.Module):
    """Flattens and maps to `num_outputs`."""

    def __init__(self, num_outputs: int = 4, num_inputs: int = 144) -> None:
        super().__init__()
        self.layer = nn.Linear(num_inputs, num_outputs)

    def forward(self, x: Tensor) -> Any:
        return self.layer(x.flatten(1))


def after(change: Callable[[Tensor], Any]) -> Callable[[], nn.Module]:
    """Makes a model whose logits are changed at the end."""

    class Changed(Linear):
        def forward(self, x: Tensor) -> Any:
            return change(super().forward(x))

    return Changed


def test_a_class_without_parameters_is_a_model() -> None:
    assert isinstance(build(Linear), Linear)


def test_what_the_signature_names_is_given() -> None:
    given: dict[str, Any] = {}

    def make(
        num_classes: int,
        *,
        in_channels: int,
        input_shape: tuple[int, ...],
        width: int = 2,
        **more: Any,
    ) -> nn.Module:
        given.update(num_classes=num_classes, in_channels=in_channels, input_shape=input_shape)
        given.update(width=width, more=more)
        return Linear()

    build(make)
    assert given == {
        "num_classes": 4, "in_channels": 3, "input_shape": (3, 8, 6), "width": 2, "more": {},
    }  # fmt: skip


def test_tables_and_tokens_get_their_inputs() -> None:
    def make_table(in_channels: int, num_classes: int) -> nn.Module:
        return nn.Linear(in_channels, num_classes)

    def make_text(vocabulary: int, num_classes: int) -> nn.Module:
        return nn.EmbeddingBag(vocabulary, num_classes)

    assert build(make_table, "table").in_features == 5
    assert build(make_text, "tokens").num_embeddings == 11
    assert trial_inputs(make_spec("image"), 2).shape == (2, 3, 8, 6)
    assert trial_inputs(make_spec("tokens"), 2).dtype == torch.int64
    assert trial_inputs(make_spec("table"), 2).dtype == torch.float32


def test_a_parameter_that_cannot_be_given_is_said() -> None:
    def unknown(width: int) -> nn.Module:
        return Linear()

    def of_tokens(vocabulary: int) -> nn.Module:
        return Linear()

    def by_place(num_classes: int, /) -> nn.Module:
        return Linear()

    told = refused(unknown)
    assert "needs a value for width, which tuitrain does not know" in told
    assert "num_classes, num_outputs, input_shape, in_channels" in told
    assert "vocabulary, which things, a dataset of kind image, does not have" in refused(of_tokens)
    assert "cannot be given by name" in refused(by_place)


def test_weights_follow_the_seed_alone_whatever_they_are_drawn_with() -> None:
    def make() -> nn.Module:
        model = Linear()
        model.layer.weight.data[0] = torch.tensor(np.random.rand(144))
        model.layer.weight.data[1] = random.random()
        return model

    drawn = []
    for noise, seed in enumerate((5, 5, 6)):
        torch.manual_seed(noise)
        random.seed(noise)
        np.random.seed(noise)
        drawn.append(build(make, seed=seed).state_dict()["layer.weight"])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0][:1], drawn[2][:1])
    assert not torch.equal(drawn[0][1:2], drawn[2][1:2])
    assert not torch.equal(drawn[0][2:], drawn[2][2:])


def test_building_leaves_every_generator_alone() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), random.random(), float(np.random.rand())

    def seed() -> None:
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)

    seed()
    expected = draw()
    seed()
    build(lambda: nn.Sequential(Linear(), nn.Dropout()))
    assert draw() == expected


def test_the_trial_leaves_the_model_as_it_was_built() -> None:
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.linear = Linear()
            self.hidden: Tensor | None = None

        def forward(self, x: Tensor) -> Any:
            self.hidden = x
            return self.linear(self.norm(x.add_(1)))

    model = build(Remembers)
    assert model.hidden is None
    assert model.training
    assert model.norm.num_batches_tracked == 0
    assert torch.equal(model.norm.running_mean, torch.zeros(3))
    assert all(p.grad is None for p in model.parameters())


def test_lazy_layers_find_their_sizes_from_the_seed() -> None:
    def make(num_classes: int) -> nn.Module:
        return nn.Sequential(nn.LazyConv2d(2, 3), nn.Flatten(), nn.LazyLinear(num_classes))

    first, second = build(make), build(make)
    assert first[2].in_features == 2 * 6 * 4
    assert first.training
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_lazy_layer_that_is_never_reached_is_said() -> None:
    class Unused(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.LazyLinear(3)

    assert "lazy layers that no batch passes through" in refused(Unused)


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (3, "is an object of type int, not a class or function"),
        (Linear(), "is a model built already"),
        (lambda: 3, "makes an object of type int, not a torch.nn.Module"),
        (lambda: Linear, "makes an object of type type"),
        (dict, "does not show its parameters"),
    ],
)
def test_what_is_no_model_is_said(thing: object, says: str) -> None:
    assert says in refused(thing)


def test_what_raises_is_said_with_type_message_and_line() -> None:
    def make() -> nn.Module:
        raise ValueError("no\nway")

    class Forgot(nn.Module):
        def __init__(self) -> None:
            self.size = 3

    class Raises(Linear):
        def forward(self, x: Tensor) -> Any:
            if self.training:
                raise KeyError("training")
            return super().forward(x)

    file = Path(__file__).name
    assert re.search(rf"when it is built: ValueError: no way, line \d+ of {file}", refused(make))
    assert "AttributeError" in refused(Forgot)
    told = refused(Raises)
    assert "in training mode on float32 [2, 3, 8, 6]: KeyError: 'training', line" in told
    told = refused(lambda: Linear(num_inputs=10))
    assert "in evaluation mode on float32 [2, 3, 8, 6]: RuntimeError: " in told
    assert "Mend line" in told
    assert "int64 [2, 7]" in refused(Linear, "tokens")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda y: (y, y), "returns an object of type tuple, not a tensor"),
        (lambda y: None, "returns an object of type NoneType"),
        (lambda y: y[:, :3], "returns [2, 3] for a batch of 2, not [2, 4], which is [batch, num_c"),
        (lambda y: y[:1], "returns [1, 4]"),
        (lambda y: y[..., None], "returns [2, 4, 1]"),
        (lambda y: y.mean(), "returns []"),
        (lambda y: y.argmax(1), "returns [2]"),
        (lambda y: y.long(), "returns torch.int64, not floating point"),
        (lambda y: y.detach(), "its output has no gradient"),
        (lambda y: torch.tensor(y.tolist()), "its output has no gradient"),
    ],
)
def test_an_output_that_does_not_fit_is_said(change: Callable[[Tensor], Any], says: str) -> None:
    assert says in refused(after(change))


def test_a_model_with_nothing_to_train_is_said() -> None:
    class Hides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(4, 4)]

    assert "holds no parameters." in refused(lambda: nn.Flatten())
    told = refused(Hides)
    assert "holds no parameters; the parameters in its plain list layers" in told
    assert "nothing to train" in refused(lambda: Linear().requires_grad_(False))


def test_a_model_that_cannot_be_copied_is_said() -> None:
    class Keeps(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.kept = self.layer.weight * 2

    told = refused(Keeps)
    assert "cannot be copied" in told and "weight_norm" in told


def test_softmax_at_the_end_is_warned_of_and_log_softmax_is_not() -> None:
    (warning,) = warnings_of(after(lambda y: y.softmax(1)))
    assert warning.startswith("the model net.py:Net: it seems to end in softmax")
    assert warnings_of(after(lambda y: F.log_softmax(y, 1))) == []
    assert warnings_of(after(lambda y: y.sigmoid())) == []
    assert warnings_of(after(lambda y: F.normalize(y, dim=1))) == []


def test_outputs_that_are_not_finite_are_warned_of() -> None:
    (warning,) = warnings_of(after(lambda y: y / 0))
    assert "not all finite" in warning


class Hiding(Linear):
    """A model with one plain attribute."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.attribute = value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([nn.Linear(2, 2)], "plain list inner.attribute"),
        ([[(nn.Linear(2, 2),)]], "plain list inner.attribute"),
        ((nn.Parameter(torch.zeros(1)),), "plain tuple inner.attribute"),
        ({"a": nn.Linear(2, 2)}, "use nn.ModuleDict"),
        ({nn.Parameter(torch.zeros(1))}, "plain set inner.attribute"),
    ],
)
def test_parameters_in_a_plain_container_are_warned_of(value: object, says: str) -> None:
    (warning,) = warnings_of(lambda: Hiding(value))
    assert says in warning


@pytest.mark.parametrize(
    "value", [[], [1, "text"], "text", {"a": torch.zeros(1)}, [nn.ReLU()], range(9), [[[[[[]]]]]]]
)
def test_other_plain_containers_are_fine(value: object) -> None:
    assert warnings_of(lambda: Hiding(value)) == []


def test_a_list_of_what_is_registered_is_fine() -> None:
    class Lists(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.order = [self.layer, self.layer.weight]

    assert warnings_of(Lists) == []


def test_a_list_that_holds_itself_comes_to_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert warnings_of(lambda: Hiding(endless)) == []


def test_a_model_of_a_regression_gives_a_number_for_each_target() -> None:
    spec = task_spec("regression")

    class Net(nn.Module):
        def __init__(self, num_outputs: int, in_channels: int) -> None:
            super().__init__()
            self.linear = nn.Linear(in_channels, num_outputs)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.linear(x)
            return y.softmax(1)

    model, warnings = build_user_model(code(Net), spec, 0)
    assert model(torch.zeros(3, 4)).shape == (3, len(spec.targets))
    # What is no class needs no logits.
    assert warnings == []
    with pytest.raises(ModelError) as caught:
        build_user_model(code(lambda: nn.Linear(4, 1)), spec, 0)
    assert "[batch, num_outputs]" in caught.value.message
    assert "one number for each target" in caught.value.hint
