"""The data folder: what is there, verified once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from tests.tasks import prepare_stripes
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import SourceFacts
from tui_trainer.errors import DatasetError
from tui_trainer.store import datasets
from tui_trainer.store.datasets import (
    check_array_file,
    find_spec,
    has_changed,
    prepared_names,
    read_spec,
)
from tui_trainer.store.hashing import hash_file


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from now on."""
    names: list[str] = []

    def watch(file: Path) -> str:
        names.append(file.name)
        return hash_file(file)

    monkeypatch.setattr(datasets, "hash_file", watch)
    return names


def check_all(data_dir: Path) -> None:
    for array in datasets.arrays_of(read_spec(data_dir, "mnist")):
        check_array_file(data_dir / "mnist", array)


def test_what_was_just_written_is_not_read_again(tmp_path: Path, hashed: list[str]) -> None:
    prepare_stripes(tmp_path)
    hashed.clear()
    check_all(tmp_path)
    assert hashed == []


def test_a_copy_is_hashed_once(tmp_path: Path, hashed: list[str]) -> None:
    prepare_stripes(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    check_all(tmp_path / "there")
    assert len(hashed) == 6
    hashed.clear()
    check_all(tmp_path / "there")
    assert hashed == []


def test_a_file_that_was_touched_is_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    prepare_stripes(tmp_path)
    file = tmp_path / "mnist" / "train-inputs.npy"
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    # Size and time of change are as they were: what nobody can set back still tells.
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DatasetError, match="damaged"):
        check_all(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"train-inputs.npy": 1}', b"\xff"])
def test_a_damaged_note_of_what_was_verified_costs_a_hash(
    tmp_path: Path, hashed: list[str], content: bytes
) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist" / "verified.json").write_bytes(content)
    hashed.clear()
    check_all(tmp_path)
    assert len(hashed) == 6


def test_prepared_datasets_are_listed(tmp_path: Path) -> None:
    assert prepared_names(tmp_path / "none") == []
    prepare_stripes(tmp_path, "mnist")
    prepare_stripes(tmp_path, "digits")
    (tmp_path / "other").mkdir()
    (tmp_path / ".unfinished-usps").mkdir()
    assert prepared_names(tmp_path) == ["digits", "mnist"]


def test_a_dataset_is_found_by_its_reference(tmp_path: Path) -> None:
    plain = PreparationConfig()
    assert find_spec(tmp_path, "mnist", plain) is None
    spec = prepare_stripes(tmp_path)
    assert find_spec(tmp_path, "mnist", plain) == spec
    assert find_spec(tmp_path, "mnist", PreparationConfig(size=32)) is None
    with pytest.raises(DatasetError):
        find_spec(tmp_path, "minst", plain)


def test_a_source_that_changed_is_noticed(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path / "data")
    file = tmp_path / "pets.csv"
    file.write_text("a,b\n")
    status = file.stat()
    source = SourceFacts(
        reference=f"csv:{file}",
        preparation=PreparationConfig(),
        stamps={str(file): (status.st_size, status.st_mtime_ns)},
    )
    spec = msgspec.structs.replace(spec, source=source)
    assert not has_changed(tmp_path / "data", spec)
    file.write_text("a,b,c\n")
    assert has_changed(tmp_path / "data", spec)
    file.unlink()
    assert not has_changed(tmp_path / "data", spec)


def test_a_file_that_is_written_to_while_it_is_hashed_is_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist" / "verified.json").unlink()
    array = read_spec(tmp_path, "mnist").splits["train"].inputs

    def hash_and_disturb(file: Path) -> str:
        digest = hash_file(file)
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        return digest

    monkeypatch.setattr(datasets, "hash_file", hash_and_disturb)
    check_array_file(tmp_path / "mnist", array)
    monkeypatch.undo()
    with pytest.raises(DatasetError, match="damaged"):
        check_array_file(tmp_path / "mnist", array)


def test_a_name_no_folder_can_have_is_not_prepared(tmp_path: Path) -> None:
    assert not datasets.is_prepared(tmp_path, "a" * 3000)
    assert not datasets.is_prepared(tmp_path, "a\0b")


@pytest.mark.parametrize("name", ["dataset.json", "verified.json"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    prepare_stripes(tmp_path)
    (tmp_path / "mnist" / name).unlink()
    os.mkfifo(tmp_path / "mnist" / name)
    if name == "dataset.json":
        with pytest.raises(DatasetError, match="damaged"):
            read_spec(tmp_path, "mnist")
    else:
        check_all(tmp_path)


def test_a_source_no_file_can_be_called_by_has_not_changed(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    facts = SourceFacts(
        reference="csv:/a", preparation=PreparationConfig(), stamps={"/a\0b": (1, 1)}
    )
    assert not has_changed(tmp_path, msgspec.structs.replace(spec, source=facts))


def test_what_was_begun_anew_goes_with_the_dataset(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    for left in (".unfinished-mnist", ".originals/mnist", ".originals/usps"):
        (tmp_path / left).mkdir(parents=True)
    datasets.remove_dataset(tmp_path, "mnist")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".originals"]
    assert [path.name for path in (tmp_path / ".originals").iterdir()] == ["usps"]
