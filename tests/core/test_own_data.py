"""The configuration of a run on a person's own data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.samples import make_spec
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.config.resolve import Resolved, Setting, resolve
from tui_trainer.core.plan import make_plan
from tui_trainer.core.specs import ArrayFile, DatasetSpec, Kind, SplitSpec
from tui_trainer.errors import TuitrainError


def find(kind: Kind, shape: tuple[int, ...], **changes: Any) -> Any:
    """A finder of a dataset of 1,000 samples to train on."""
    import msgspec

    array = ArrayFile(file="x.npy", shape=(1000, *shape), dtype="uint8", size_bytes=1, sha256="")
    splits = {
        split: SplitSpec(count=count, inputs=array, labels=array)
        for split, count in (("train", 1000), ("test", 250))
    }
    spec = msgspec.structs.replace(make_spec(shape, kind), splits=splits, **changes)

    def find_spec(reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
        return spec

    return find_spec


def decide(reference: str, find_spec: Any = None, **settings: Any) -> Resolved:
    chosen = [Setting("data.dataset", reference, "the command line")]
    chosen += [Setting(key.replace("__", "."), value, "test") for key, value in settings.items()]
    return resolve(chosen, **({"find_spec": find_spec} if find_spec else {}))


@pytest.mark.parametrize(
    ("reference", "model"),
    [
        ("folder:pets", "convnet"),
        ("csv:iris.csv", "tabular-mlp"),
        ("text:reviews", "text-cnn"),
        ("npz:x.npz", "tabular-mlp"),
        ("mnist+usps", "convnet"),
    ],
)
def test_before_it_is_prepared_the_name_suggests_a_model(reference: str, model: str) -> None:
    resolved = decide(reference)
    assert resolved.config.model.name == model
    assert resolved.config.data.dataset == reference
    assert make_plan(resolved.config) is None


@pytest.mark.parametrize(
    ("kind", "shape", "model"),
    [
        ("image", (3, 64, 64), "torchvision:resnet18"),
        ("image", (3, 32, 32), "convnet"),
        ("image", (1, 6, 9), "mlp"),
        ("table", (4,), "tabular-mlp"),
        ("tokens", (90,), "text-cnn"),
    ],
)
def test_what_was_prepared_decides_the_model(
    kind: Kind, shape: tuple[int, ...], model: str
) -> None:
    resolved = decide("npz:x.npz", find(kind, shape))
    assert resolved.config.model.name == model
    assert resolved.origins["model.name"] == "default of npz:x.npz"


def test_a_model_that_does_not_fit_what_was_prepared_is_refused() -> None:
    with pytest.raises(TuitrainError, match="does not fit folder:x"):
        decide("folder:x", find("image", (3, 32, 32)), model__name="tabular-mlp")
    assert decide("folder:x", model__name="tabular-mlp").config.model.name == "tabular-mlp"


def test_own_data_have_the_four_presets() -> None:
    finder = find("image", (3, 32, 32))
    epochs = {}
    for preset in ("default", "fast", "best", "classic"):
        settings = [Setting("data.dataset", "folder:x", "test")]
        resolved = resolve(settings, preset=preset, find_spec=finder)
        epochs[preset] = resolved.config.training.epochs
        assert resolved.origins["training.epochs"] == f"preset {preset} of folder:x"
    assert epochs["fast"] < epochs["default"] < epochs["best"]


def test_how_it_is_to_be_prepared_is_told_to_the_finder() -> None:
    asked = []

    def find_spec(reference: str, preparation: PreparationConfig) -> DatasetSpec | None:
        asked.append((reference, preparation))
        return None

    decide("folder:x", find_spec, preparation__size=64, preparation__label="kind")
    assert asked[0] == ("folder:x", PreparationConfig(size=64, label="kind"))
    decide("mnist", find_spec, preparation__size=32)
    assert asked[-1] == ("mnist", PreparationConfig(size=32))
    count = len(asked)
    decide("mnist", find_spec)
    assert len(asked) == count


def test_samples_are_counted_once_they_are_prepared() -> None:
    finder = find("image", (3, 32, 32))
    config = decide("folder:x", finder, data__validation=0.1, training__epochs=2).config
    plan = make_plan(config, finder("folder:x", config.preparation))
    assert plan is not None
    assert (plan.train_count, plan.validation_count, plan.test_count) == (900, 100, 250)


@pytest.mark.parametrize("reference", ["folder:", "csv:\0", "x.py:1"])
def test_a_reference_that_names_nothing_is_an_error(reference: str) -> None:
    with pytest.raises(TuitrainError) as caught:
        decide(reference)
    assert caught.value.key == "data.dataset"


@pytest.mark.parametrize(("count", "batch_size"), [(1000, 64), (300, 32), (44, 4), (3, 4)])
def test_of_few_samples_a_batch_is_smaller(count: int, batch_size: int) -> None:
    from tui_trainer.core.presets import default_preset

    assert default_preset("image", "classification", count)["data.batch_size"] == batch_size
