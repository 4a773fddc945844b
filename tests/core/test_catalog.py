"""The names of datasets and models, and which fit together."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tui_trainer.core.catalog import (
    DATASETS,
    MODELS,
    DatasetEntry,
    find_dataset,
    find_model,
    is_model_name,
    misfit,
)
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import DatasetError, ModelError

_TEXTS = msgspec.structs.replace(
    DATASETS["wine"], name="texts", kind="tokens", shape=(20,), vocabulary=100
)
_BY_KIND = {"image": DATASETS["mnist"], "table": DATASETS["wine"], "tokens": _TEXTS}


@pytest.mark.parametrize("entry", DATASETS.values(), ids=DATASETS)
def test_the_default_model_fits(entry: DatasetEntry) -> None:
    assert misfit(find_model(entry.default_model), entry) is None
    assert DATASETS[entry.name] is find_dataset(entry.name) is entry


@pytest.mark.parametrize("kind", _BY_KIND)
@pytest.mark.parametrize("name", [*MODELS, "torchvision:resnet18"])
def test_a_model_takes_its_kinds_and_no_other(name: str, kind: str) -> None:
    model, dataset = find_model(name), _BY_KIND[kind]
    reason = misfit(model, dataset)
    if kind in model.kinds:
        assert reason is None
    else:
        assert reason is not None
        assert name in reason
        assert dataset.name in reason


def test_a_misfit_of_kind_is_said_in_words() -> None:
    reason = misfit(MODELS["text-cnn"], DATASETS["mnist"])
    assert reason == "text-cnn takes tokens, mnist has images"
    reason = misfit(MODELS["mlp"], _TEXTS)
    assert reason == "mlp takes images or rows of a table, texts has tokens"


@pytest.mark.parametrize(
    ("name", "fits"),
    [("convnet", {"image"}), ("torchvision:any", {"image"}), ("net.py:Net", set(_BY_KIND))],
)
def test_what_is_known_of_a_name(name: str, fits: set[str]) -> None:
    assert is_model_name(name)
    model = find_model(name)
    assert {kind for kind, entry in _BY_KIND.items() if misfit(model, entry) is None} == fits


def test_unknown_names_are_told_the_nearest() -> None:
    assert not is_model_name("convent")
    with pytest.raises(ModelError) as model:
        find_model("convent")
    assert model.value.hint == "Did you mean convnet?"
    with pytest.raises(DatasetError) as dataset:
        find_dataset("mnits")
    assert dataset.value.hint == "Did you mean mnist?"


@pytest.mark.parametrize("entry", DATASETS.values(), ids=DATASETS)
def test_an_entry_says_whose_the_data_are_and_what_they_are(entry: DatasetEntry) -> None:
    assert entry.licence
    assert entry.source
    assert entry.is_installed != entry.importable
    assert bool(entry.download_bytes) == (entry.origin == "download or import")
    assert (entry.num_classes > 0) == (entry.task == "classification")
    assert bool(entry.targets) == (entry.task == "regression")
    assert len(set(entry.classes)) == len(entry.classes)
    assert entry.size in (0, entry.shape[-1])
    assert len(entry.title) < 95


@pytest.mark.parametrize(
    ("name", "change", "is_described"),
    [
        ("mnist", {}, True),
        ("mnist", {"shape": (1, 32, 32)}, False),
        ("mnist", {"classes": ("0", "1")}, False),
        ("food101", {"classes": tuple(map(str, range(101)))}, True),
        ("food101", {"classes": ("pie",)}, False),
        ("diabetes", {}, True),
        ("diabetes", {"task": "classification"}, False),
    ],
)
def test_an_entry_knows_its_own_manifest(
    name: str, change: dict[str, Any], is_described: bool
) -> None:
    entry = DATASETS[name]
    spec = DatasetSpec(
        name=name,
        title=entry.title,
        kind=entry.kind,
        shape=entry.shape,
        classes=entry.classes,
        mean=(),
        std=(),
        splits={},
        origin="",
        task=entry.task,
        targets=entry.targets,
    )
    assert entry.describes(msgspec.structs.replace(spec, **change)) == is_described
