"""Earlier versions of datasets: kept where runs were trained on them, and found again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tasks import prepare_stripes
from tui_trainer.core.dataset_versions import current_name, hash_data, is_earlier, name_earlier
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DatasetError
from tui_trainer.store.dataset_versions import earlier_kept, find_version, note_training
from tui_trainer.store.datasets import has_changed, read_spec, remove_dataset, verify_dataset


def prepare_anew(data_dir: Path, seed: int) -> tuple[DatasetSpec, list[str]]:
    """Put other data in place of the dataset; the versions that were kept come back, too."""
    with earlier_kept(data_dir, "mnist") as kept:
        spec = prepare_stripes(data_dir, seed=seed)
    return spec, kept


def test_a_version_that_was_trained_on_stays(tmp_path: Path) -> None:
    before = prepare_stripes(tmp_path)
    inputs, labels = load_split(tmp_path, "mnist", "test")
    note_training(tmp_path, before)
    now, kept = prepare_anew(tmp_path, seed=5)
    name = name_earlier("mnist", hash_data(before))
    assert kept == [name]
    assert hash_data(now) != hash_data(before)
    assert find_version(tmp_path, "mnist", hash_data(before)) == name
    assert find_version(tmp_path, "mnist", hash_data(now)) == "mnist"
    again, labels_again = load_split(tmp_path, name, "test")
    assert (again == inputs).all()
    assert (labels_again == labels).all()
    verify_dataset(tmp_path, name)
    spec = read_spec(tmp_path, name)
    assert spec.name == name
    assert not has_changed(tmp_path, spec)
    remove_dataset(tmp_path, name)
    assert find_version(tmp_path, "mnist", hash_data(before)) == "mnist"


def test_it_stays_whatever_becomes_of_the_present_one(tmp_path: Path) -> None:
    before = prepare_stripes(tmp_path)
    note_training(tmp_path, before)
    _, kept = prepare_anew(tmp_path, seed=5)
    remove_dataset(tmp_path, "mnist")
    assert find_version(tmp_path, "mnist", hash_data(before)) == kept[0]


def test_nothing_stays_of_what_no_run_was_trained_on(tmp_path: Path) -> None:
    before = prepare_stripes(tmp_path)
    _, kept = prepare_anew(tmp_path, seed=5)
    assert kept == []
    assert find_version(tmp_path, "mnist", hash_data(before)) == "mnist"
    assert folders(tmp_path) == ["mnist"]


def test_what_comes_out_the_same_is_kept_once(tmp_path: Path) -> None:
    note_training(tmp_path, prepare_stripes(tmp_path))
    _, kept = prepare_anew(tmp_path, seed=1)
    assert kept == []
    assert folders(tmp_path) == ["mnist"]


def test_an_error_in_between_leaves_what_was_there(tmp_path: Path) -> None:
    before = prepare_stripes(tmp_path)
    note_training(tmp_path, before)
    with pytest.raises(DatasetError, match="unreadable"), earlier_kept(tmp_path, "mnist"):
        raise DatasetError("It is unreadable.", "Mend it.")
    assert folders(tmp_path) == ["mnist"]
    assert hash_data(read_spec(tmp_path, "mnist")) == hash_data(before)


def test_a_version_that_came_back_and_went_again_is_kept_once(tmp_path: Path) -> None:
    first = prepare_stripes(tmp_path)
    note_training(tmp_path, first)
    prepare_anew(tmp_path, seed=5)
    back, _ = prepare_anew(tmp_path, seed=1)
    assert hash_data(back) == hash_data(first)
    note_training(tmp_path, back)
    _, kept = prepare_anew(tmp_path, seed=5)
    assert kept == [name_earlier("mnist", hash_data(first))]
    assert folders(tmp_path) == ["mnist", *kept]


def test_where_files_cannot_have_two_names_they_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    before = prepare_stripes(tmp_path)
    note_training(tmp_path, before)
    _, kept = prepare_anew(tmp_path, seed=5)
    verify_dataset(tmp_path, kept[0])


def test_a_folder_with_the_name_of_another_version_is_refused(tmp_path: Path) -> None:
    before = prepare_stripes(tmp_path)
    note_training(tmp_path, before)
    _, kept = prepare_anew(tmp_path, seed=5)
    (tmp_path / kept[0]).rename(tmp_path / "mnist@00000000")
    with pytest.raises(DatasetError, match="does not describe"):
        read_spec(tmp_path, "mnist@00000000")


def test_names_tell_which_version_it_is() -> None:
    name = name_earlier("photos-1234abcd", "f" * 64)
    assert name == "photos-1234abcd@ffffffff"
    assert is_earlier(name)
    assert not is_earlier("photos-1234abcd")
    assert current_name(name) == current_name("photos-1234abcd") == "photos-1234abcd"


def folders(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.iterdir())
