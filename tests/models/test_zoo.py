"""Our own networks: built for a dataset, and able to learn it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.tasks import MARKERS, prepare_kind, prepare_stripes
from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.core.config.model import ModelConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import ModelError
from tui_trainer.models.build import build_model, example_inputs
from tui_trainer.models.zoo import BUILDERS, count_parameters

_FITTING = [
    (m, d) for m in MODELS for d in ("digits", "mnist") if not misfit(MODELS[m], DATASETS[d])
]


# Small data for models that are slow on large ones.
_DATASETS = {"resnet-small": "digits"}


def _build(name: str, spec: DatasetSpec, seed: int = 0) -> nn.Module:
    model, warnings = build_model(ModelConfig(name=name), spec, seed)
    assert not warnings
    return model


def _spec_for(name: str, data_dir: Path, patch: pytest.MonkeyPatch) -> DatasetSpec:
    if name in _DATASETS:
        return prepare_stripes(data_dir, _DATASETS[name])
    return prepare_kind(data_dir, MODELS[name].kinds[0], patch)


def _samples(data_dir: Path, spec: DatasetSpec, split: str) -> tuple[Tensor, Tensor]:
    inputs, labels = (
        torch.from_numpy(array[:].copy()) for array in load_split(data_dir, spec.name, split)
    )
    return Normalize(spec.mean, spec.std)(inputs), labels


def test_the_catalogue_names_what_can_be_built() -> None:
    assert BUILDERS.keys() == MODELS.keys()


@pytest.mark.parametrize(("name", "dataset"), _FITTING)
def test_image_models_fit_images_of_every_size(tmp_path: Path, name: str, dataset: str) -> None:
    spec = prepare_stripes(tmp_path, dataset)
    model = _build(name, spec).eval()
    assert model(example_inputs(spec, 3)).shape == (3, len(spec.classes))


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_judged_alike_alone_and_in_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spec = _spec_for(name, tmp_path, monkeypatch)
    x, _ = _samples(tmp_path, spec, "test")
    model = _build(name, spec).eval()
    with torch.inference_mode():
        alone = torch.cat([model(x[n : n + 1]) for n in range(5)])
        assert torch.allclose(model(x[:5]), alone, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_its_kind_of_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spec = _spec_for(name, tmp_path, monkeypatch)
    x, labels = _samples(tmp_path, spec, "train")
    x_test, labels_test = _samples(tmp_path, spec, "test")
    model = _build(name, spec)
    optimizer = torch.optim.AdamW(model.parameters(), 0.005)
    torch.manual_seed(0)
    losses = []
    for step in range(40):
        chosen = torch.arange(step * 32, step * 32 + 32) % len(x)
        loss = F.cross_entropy(model(x[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    with torch.inference_mode():
        accuracy = (model.eval()(x_test).argmax(1) == labels_test).float().mean()
    assert accuracy > 0.7


@pytest.mark.parametrize("name", MODELS)
def test_weights_follow_the_seed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spec = _spec_for(name, tmp_path, monkeypatch)
    weights = []
    for noise, seed in enumerate((5, 5, 6)):
        torch.manual_seed(noise)
        model = _build(name, spec, seed)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_building_a_model_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    _build("convnet", spec)
    assert torch.equal(torch.rand(3), expected)


def test_the_example_is_the_network_of_the_article(tmp_path: Path) -> None:
    model = _build("mnist-example", prepare_stripes(tmp_path))
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert [(c.out_channels, c.kernel_size) for c in convolutions] == [(10, (5, 5)), (20, (5, 5))]
    assert [linear.out_features for linear in linears] == [50, 10]
    assert any(isinstance(m, nn.Dropout2d) for m in model.modules())
    assert count_parameters(model) == 21_840


def test_the_residual_network_is_that_of_the_article(tmp_path: Path) -> None:
    model = _build("resnet-small", prepare_stripes(tmp_path))
    weighted = [
        m
        for name, m in model.named_modules()
        if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in name
    ]
    assert len(weighted) == 20
    assert 250_000 < count_parameters(model) < 290_000


def test_an_unknown_model_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        _build("convent", prepare_stripes(tmp_path))
    assert "convnet" in caught.value.hint


def test_a_model_for_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="28×28, not 8×8"):
        _build("mnist-example", prepare_stripes(tmp_path, "digits"))


def test_a_model_for_another_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="text-cnn takes tokens, mnist has images"):
        _build("text-cnn", prepare_stripes(tmp_path))
    texts = prepare_kind(tmp_path, "tokens", monkeypatch)
    assert texts.name == MARKERS.name
    for name in ("convnet", "tabular-mlp", "torchvision:resnet18"):
        with pytest.raises(ModelError, match="markers has tokens"):
            _build(name, texts)
