"""torchvision's models, fitted to the data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from tui_trainer.core.config.model import ModelConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import ModelError
from tui_trainer.models.build import build_model
from tui_trainer.models.torchvision_models import family_of, find_builder, head_of, stem_of

pytestmark = pytest.mark.slow

# The small member of each family, and the images that it is tried with.
_FAMILIES = {
    "alexnet": (1, 64, 64),
    "convnext_tiny": (1, 32, 32),
    "densenet121": (1, 28, 28),
    "efficientnet_b0": (3, 32, 32),
    "efficientnet_v2_s": (1, 28, 28),
    "googlenet": (1, 28, 28),
    "inception_v3": (1, 75, 75),
    "maxvit_t": (1, 224, 224),
    "mnasnet0_5": (4, 28, 28),
    "mobilenet_v2": (1, 8, 8),
    "mobilenet_v3_small": (1, 28, 28),
    "regnet_y_400mf": (3, 32, 32),
    "resnet18": (1, 8, 8),
    "resnext50_32x4d": (3, 32, 32),
    "shufflenet_v2_x0_5": (1, 28, 28),
    "squeezenet1_1": (1, 28, 28),
    "swin_t": (1, 28, 28),
    "swin_v2_t": (3, 32, 32),
    "vgg11_bn": (1, 32, 32),
    "vit_b_16": (1, 32, 32),
}


def _spec(shape: tuple[int, ...], num_classes: int = 7) -> DatasetSpec:
    return DatasetSpec(
        name="pictures",
        title="",
        kind="image",
        shape=shape,
        classes=tuple(map(str, range(num_classes))),
        mean=(0.0,) * shape[0],
        std=(1.0,) * shape[0],
        splits={},
        origin="",
    )


def _build(name: str, shape: tuple[int, ...], *, pretrained: bool = False) -> nn.Module:
    config = ModelConfig(name=f"torchvision:{name}", pretrained=pretrained)
    return build_model(config, _spec(shape), 0)[0]


def test_every_family_of_torchvision_is_tried() -> None:
    names = torchvision.models.list_models(module=torchvision.models)
    families = {family_of(find_builder(f"torchvision:{name}")) for name in names}
    assert {family_of(find_builder(f"torchvision:{name}")) for name in _FAMILIES} == families


@pytest.mark.parametrize(("name", "shape"), _FAMILIES.items())
def test_every_family_takes_a_training_step(name: str, shape: tuple[int, ...]) -> None:
    model = _build(name, shape)
    torch.manual_seed(0)
    # Some begin with a head of zeros, which lets no gradient through.
    nn.init.normal_(model.get_submodule(head_of(model)).weight, std=0.1)
    logits_BK = model(torch.randn(2, *shape))
    assert logits_BK.shape == (2, 7)
    assert logits_BK.isfinite().all()
    F.cross_entropy(logits_BK, torch.tensor([0, 6])).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert stem_of(model)[1].weight.grad.abs().sum() > 0


def test_weights_follow_the_seed_alone() -> None:
    weights = []
    for noise, seed in enumerate((5, 5, 6)):
        torch.manual_seed(noise)
        model = build_model(ModelConfig(name="torchvision:resnet18"), _spec((1, 28, 28)), seed)[0]
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "shufflenet_v2_x0_5"])
def test_small_images_get_a_small_stem_and_large_ones_keep_theirs(name: str) -> None:
    small, large = _build(name, (3, 32, 32)), _build(name, (3, 64, 64))
    reference = torchvision.models.get_model(name, weights=None)
    stem = stem_of(small)[1]
    assert (stem.kernel_size, stem.stride) == ((3, 3), (1, 1))
    assert repr(stem_of(large)[1]) == repr(stem_of(reference)[1])
    pools = [sum(isinstance(m, nn.MaxPool2d) for m in model.modules()) for model in (small, large)]
    assert pools == ([0, 0] if name == "mobilenet_v2" else [0, 1])


def test_a_new_stem_answers_as_loudly_as_the_old_one() -> None:
    torch.manual_seed(0)
    old = stem_of(torchvision.models.resnet18(weights=None))[1]
    new = stem_of(_build("resnet18", (1, 28, 28)))[1]
    loud = [stem(torch.randn(8, stem.in_channels, 32, 32)).std().item() for stem in (old, new)]
    assert loud[1] == pytest.approx(loud[0], rel=0.2)


@pytest.mark.parametrize(
    ("name", "shape", "needs"),
    [
        ("vgg11_bn", (1, 28, 28), "32×32 at least"),
        ("inception_v3", (3, 32, 32), "75×75 at least"),
        ("alexnet", (3, 32, 32), "63×63 at least"),
        ("vit_b_16", (1, 28, 28), "a multiple of 16"),
        ("vit_b_32", (1, 32, 64), "square"),
        ("maxvit_t", (1, 32, 32), "224×224"),
    ],
)
def test_images_that_do_not_go_through_are_refused_with_what_would(
    name: str, shape: tuple[int, ...], needs: str
) -> None:
    with pytest.raises(ModelError) as caught:
        _build(name, shape)
    assert needs in caught.value.message
    assert f"pictures has {shape[1]}×{shape[2]}" in caught.value.message
    assert "resnet-small" in caught.value.hint


def test_the_least_side_named_is_the_least() -> None:
    for side, fits in ((31, False), (32, True)):
        try:
            _build("vgg11_bn", (1, side, side))
        except ModelError:
            assert not fits
        else:
            assert fits


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ModelError) as caught:
        _build("resnet81", (1, 28, 28))
    assert "torchvision:resnet18" in caught.value.hint
    with pytest.raises(ModelError):
        _build("fasterrcnn_resnet50_fpn", (3, 64, 64))


def test_torchvision_is_imported_only_for_its_models() -> None:
    code = (
        "import sys, tui_trainer.models.build, tui_trainer.export.onnx\n"
        "print([name for name in sys.modules if name.startswith('torchvision')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _publish(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> dict[str, Any]:
    """Put weights where torch.hub keeps what it has downloaded."""
    torch.manual_seed(3)
    options = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
    state = torchvision.models.get_model(name, weights=None, **options).state_dict()
    url = torchvision.models.get_model_weights(name).DEFAULT.url
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(state, folder / "checkpoints" / url.rsplit("/", 1)[1])
    monkeypatch.setattr(torch.hub, "_hub_dir", str(folder))
    return dict(state)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (3, 64, 64)),
        ("resnet18", (1, 28, 28)),
        ("densenet121", (1, 64, 64)),
        ("googlenet", (1, 64, 64)),
        ("mnasnet0_5", (3, 64, 64)),
        ("squeezenet1_1", (2, 64, 64)),
        ("swin_t", (1, 28, 28)),
        ("vit_b_16", (1, 64, 64)),
    ],
)
def test_trained_weights_are_taken_over_but_for_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shape: tuple[int, ...]
) -> None:
    trained = _publish(monkeypatch, tmp_path, name)
    model = _build(name, shape, pretrained=True)
    fitted = {f"{stem_of(model)[0]}.weight", "encoder.pos_embedding"}
    head = f"{head_of(model)}."
    for key, value in model.state_dict().items():
        if key.startswith(head):
            assert value.shape[0] == 7
        elif key not in fitted:
            assert torch.equal(value, trained[key]), key
    weight = stem_of(model)[1].weight
    original = trained[f"{stem_of(model)[0]}.weight"]
    if shape == (3, 64, 64):
        assert torch.equal(weight, original)
    elif shape[1] == 64:
        # A grey image repeated over the channels has the response it had.
        assert torch.allclose(weight.sum(1), original.sum(1), atol=1e-6)


def test_old_names_of_densenet_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, tmp_path, "densenet121")
    (file,) = (tmp_path / "checkpoints").iterdir()
    state = torch.load(file, weights_only=True)
    old = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.")
        if "denselayer" in key
        else key: value
        for key, value in state.items()
    }
    torch.save(old, file)
    model = _build("densenet121", (3, 64, 64), pretrained=True)
    key = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(model.state_dict()[key], state[key])


def test_weights_that_cannot_be_downloaded_are_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise URLError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ModelError, match="cannot be had") as caught:
        _build("resnet18", (3, 64, 64), pretrained=True)
    assert "--init-from" in caught.value.hint
    assert str(tmp_path / "checkpoints") in caught.value.hint


def test_a_file_of_weights_is_not_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(monkeypatch, tmp_path, "resnet18")
    (file,) = (tmp_path / "checkpoints").iterdir()
    torch.save({"conv1.weight": _Harmful()}, file)
    with pytest.raises(ModelError, match="cannot be had") as caught:
        _build("resnet18", (3, 64, 64), pretrained=True)
    assert "\n" not in caught.value.message
    assert not _Harmful.was_run


class _Harmful:
    was_run = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (_Harmful, "was_run", True)
