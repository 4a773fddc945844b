"""Our own networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.tasks import prepare_stripes
from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.errors import ModelError
from tui_trainer.models.zoo import build_model, count_parameters

_FITTING = [(m, d) for m in MODELS for d in DATASETS if not misfit(MODELS[m], DATASETS[d])]


@pytest.mark.parametrize(("name", "dataset"), _FITTING)
def test_every_model_gives_logits_for_every_dataset_it_fits(
    tmp_path: Path, name: str, dataset: str
) -> None:
    spec = prepare_stripes(tmp_path, dataset)
    model = build_model(name, spec, 0)
    x_BCHW = torch.randn(3, *spec.shape)
    assert model(x_BCHW).shape == (3, len(spec.classes))
    # Nothing random and nothing that depends on the rest of the batch in evaluation mode.
    model.eval()
    alone = torch.cat([model(x_BCHW[n : n + 1]) for n in range(3)])
    assert torch.allclose(model(x_BCHW), alone, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_weights_follow_the_seed_alone(tmp_path: Path, name: str) -> None:
    spec = prepare_stripes(tmp_path)
    weights = []
    for noise, seed in enumerate((5, 5, 6)):
        torch.manual_seed(noise)
        model = build_model(name, spec, seed)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_building_a_model_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build_model("convnet", spec, 0)
    assert torch.equal(torch.rand(3), expected)


def test_the_example_is_the_network_of_the_article(tmp_path: Path) -> None:
    model = build_model("mnist-example", prepare_stripes(tmp_path), 0)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert [(c.out_channels, c.kernel_size) for c in convolutions] == [(10, (5, 5)), (20, (5, 5))]
    assert [linear.out_features for linear in linears] == [50, 10]
    assert any(isinstance(m, nn.Dropout2d) for m in model.modules())
    assert count_parameters(model) == 21_840


def test_an_unknown_model_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        build_model("convent", prepare_stripes(tmp_path), 0)
    assert "convnet" in caught.value.hint


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="28×28, not 8×8"):
        build_model("mnist-example", prepare_stripes(tmp_path, "digits"), 0)
