"""Manifests that tell of what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.data.prepare.making import make_dataset, make_images
from tests.tasks import prepare_tokens
from tui_trainer.core.spec_flaws import find_flaw
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepare.source import Facts
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import read_spec


def change(spec: DatasetSpec, split: str, part: str, **changes: Any) -> DatasetSpec:
    """A manifest with one array told otherwise."""
    array = replace(getattr(spec.splits[split], part), **changes)
    return replace(spec, splits=spec.splits | {split: replace(spec.splits[split], **{part: array})})


def test_what_was_prepared_has_no_flaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    assert not find_flaw(make_images(tmp_path))
    assert not find_flaw(prepare_tokens(tmp_path, monkeypatch))
    rows = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    facts = Facts("table", "regression", (2,), "made", "made", targets=("t",))
    assert not find_flaw(make_dataset(tmp_path, facts, rows, rows[:, :1].copy()))
    facts = Facts("table", "multilabel", (2,), "made", "made", classes=("a", "b"))
    labels = (rows > 0).astype(np.uint8)
    assert not find_flaw(make_dataset(tmp_path, facts, rows, labels))


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"shape": ()}, "shape"),
        ({"shape": (1, 0, 6)}, "shape"),
        ({"shape": (1, 6, -6)}, "shape"),
        ({"shape": (1, 2**62, 2**62)}, "shape"),
        ({"shape": (36,)}, "shape"),
        ({"classes": ()}, "nothing to predict"),
        ({"mean": ()}, "means"),
        ({"std": (0.0,)}, "means"),
        ({"label_mean": (1.0,), "label_std": (1.0,)}, "targets"),
        ({"kind": "tokens"}, "shape"),
        ({"task": "multilabel"}, "an array int64"),
        ({"files": {"../../x": "0"}}, "elsewhere"),
        ({"files": {"": "0"}}, "elsewhere"),
        ({"files": {"a\0b": "0"}}, "elsewhere"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_told(tmp_path: Path, changes: dict[str, Any], flaw: str) -> None:
    spec = replace(make_images(tmp_path), **changes)
    assert flaw in find_flaw(spec)
    (tmp_path / spec.name / "dataset.json").write_bytes(msgspec.json.encode(spec))
    with pytest.raises(DatasetError, match="damaged"):
        read_spec(tmp_path, spec.name)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("inputs", {"shape": ()}),
        ("inputs", {"shape": (24, 1, 6, 7)}),
        ("inputs", {"dtype": "object"}),
        ("inputs", {"file": ".."}),
        ("inputs", {"file": "/etc/passwd"}),
        ("labels", {"shape": (24, 3)}),
        ("labels", {"dtype": "float32"}),
        ("digests", {"shape": (7,)}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_arrays_that_do_not_go_together_are_told(
    tmp_path: Path, part: str, changes: dict[str, Any]
) -> None:
    assert find_flaw(change(make_images(tmp_path), "train", part, **changes))


@pytest.mark.parametrize("counts", [(24,), (8, 8, 8, 0), (-1, 16, 9)])
def test_counts_that_are_not_of_the_classes_are_told(
    tmp_path: Path, counts: tuple[int, ...]
) -> None:
    spec = make_images(tmp_path)
    train = replace(spec.splits["train"], class_counts=counts)
    assert "class counts" in find_flaw(replace(spec, splits=spec.splits | {"train": train}))


def test_splits_that_are_missing_or_empty_are_told(tmp_path: Path) -> None:
    spec = make_images(tmp_path)
    train = spec.splits["train"]
    assert "no test split" in find_flaw(replace(spec, splits={"train": train}))
    assert find_flaw(replace(spec, splits=spec.splits | {"test": replace(train, count=0)}))
    assert find_flaw(replace(spec, splits=spec.splits | {"test": replace(train, count=-24)}))
