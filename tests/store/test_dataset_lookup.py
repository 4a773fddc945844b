"""Which prepared dataset is meant by what a person types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.prepare.making import make_images, skipped
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.errors import DatasetError
from tui_trainer.store.dataset_lookup import (
    SKIPPED_LIST,
    find_prepared,
    prepared_from,
    read_skipped,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_dataset_is_found_by_its_name_and_by_what_it_was_made_from(data: Path) -> None:
    spec = make_images(data, reference="folder:/photos/pets")
    assert find_prepared(data, spec.name, Path("/elsewhere")) == spec.name
    assert find_prepared(data, "folder:/photos/pets", Path("/")) == spec.name
    assert find_prepared(data, "folder:pets", Path("/photos")) == spec.name
    with pytest.raises(DatasetError, match="folder:pets is not in") as caught:
        find_prepared(data, "folder:pets", Path("/elsewhere"))
    assert caught.value.hint == "Prepare it with: tuitrain data get folder:pets."


def test_of_several_ways_the_usual_one_is_meant(data: Path) -> None:
    ways = [PreparationConfig(size=size) for size in (32, 64)]
    names = [make_images(data, reference="folder:/pets", preparation=way).name for way in ways]
    with pytest.raises(DatasetError, match="prepared in several ways") as caught:
        find_prepared(data, "folder:/pets", Path("/"))
    assert all(name in caught.value.hint for name in names)
    usual = make_images(data, reference="folder:/pets").name
    assert find_prepared(data, "folder:/pets", Path("/")) == usual
    assert prepared_from(data, "folder:/pets") == sorted([*names, usual])


@pytest.mark.parametrize("text", ["minst", "../mnist", "", "x/y", "pets-1234"])
def test_what_is_no_dataset_is_refused(data: Path, text: str) -> None:
    with pytest.raises(DatasetError, match="There is no dataset"):
        find_prepared(data, text, Path("/"))


def test_a_damaged_manifest_can_still_be_named(data: Path) -> None:
    spec = make_images(data, reference="folder:/pets")
    (data / spec.name / "dataset.json").write_text("{")
    assert find_prepared(data, spec.name, Path("/")) == spec.name
    assert prepared_from(data, "folder:/pets") == []


def test_what_was_set_aside_is_listed(data: Path) -> None:
    way = PreparationConfig(max_bad=0.5)
    spec = make_images(data, preparation=way, skipped=skipped(3))
    assert read_skipped(data, spec) == list(skipped(3))
    assert read_skipped(data, make_images(data, reference="npz:/other")) == []
    (data / spec.name / SKIPPED_LIST).write_text("[]")
    with pytest.raises(DatasetError, match=r"skipped.json is damaged"):
        read_skipped(data, spec)
